"""Rules of this project's own that `make lint` checks besides what its tools know."""
