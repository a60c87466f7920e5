"""The REST API: JSON for programs. It parses, calls one service and renders; rules live in the domain."""
