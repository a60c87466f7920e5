"""What people and their scripts use: pages and the REST API."""
