"""What is done with features: extract, explain, verify, and care for the cache."""
