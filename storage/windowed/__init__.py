"""Windows of long samples: rows of their own that know which sample they are of."""
