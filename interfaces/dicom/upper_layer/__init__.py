"""The upper layer protocol (PS3.8), acceptor side."""
