"""Whose a database is, and who changed what in it."""
