"""Toys that show how a package of its own adds to Headstart."""
