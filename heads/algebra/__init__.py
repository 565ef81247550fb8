"""Linear algebra that heads are found by."""
