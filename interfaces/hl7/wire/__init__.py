"""MLLP: bytes on sockets (HL7 v2.5.1 appendix C)."""
