"""Jobs whose workers are actors of Ray."""
