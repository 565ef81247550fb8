"""Samples as columns: ten million of them are some files, and not objects."""
