"""Tables: CSV, TSV, JSON Lines."""
