"""Reports: drafts, what stands before a signature, and the versions that were signed."""
