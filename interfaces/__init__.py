"""What other systems use: translate a protocol into a domain call and back; decide nothing."""
