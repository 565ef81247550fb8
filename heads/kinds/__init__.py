"""The kinds of heads, one a file, and the arithmetic that they are fitted by."""
