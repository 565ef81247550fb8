"""Features side by side, and heads together."""
