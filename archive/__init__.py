"""The PACS: which images exist, where they lie, whether they fit the schedule."""
