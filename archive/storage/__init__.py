"""Storage: how objects come in, where they lie, and whether rows and files agree."""
