"""Rows of several feature sets side by side."""
