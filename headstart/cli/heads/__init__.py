"""Commands of `head` that have a file of their own."""
