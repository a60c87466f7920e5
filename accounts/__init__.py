"""Facilities, users, roles, tokens and the one access policy."""
