"""Looking after heads: evaluate, remove, train again."""
