"""Batches: what messages and people say is loaded by sets, decided in memory, and saved by sets."""
