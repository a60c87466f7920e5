"""What is made of a signed version: a PDF and a Basic Text SR that lie in the study. See `storing`."""
