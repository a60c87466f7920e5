"""The reading worklist: which reports are to be made, and who makes them."""
