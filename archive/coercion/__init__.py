"""What is said otherwise of an object as it goes out (PS3.3 C.12.1.1.9, COERCE)."""
