"""How the interfaces are doing: what is usual, what is not, and who is told."""
