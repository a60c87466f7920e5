"""What HL7 v2 messages are made of (HL7 v2.5.1 chapters 2 and 2.A)."""
