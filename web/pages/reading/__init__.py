"""Reading: the worklist, the report editor, what people do with items, and signed versions side by side."""
