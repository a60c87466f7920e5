"""What `make lint` checks that no published tool does: `python -m tests.lint`."""
