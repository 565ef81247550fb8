"""Passes through all rows of a view."""
