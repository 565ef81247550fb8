"""Where a backbone can come from; one module per source."""
