"""Copies of whole workspaces, and workspaces from them."""
