"""What a shadow source would have made of the worklist, beside what another system answered."""
