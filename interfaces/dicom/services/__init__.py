"""The service classes (PS3.4) that we provide."""
