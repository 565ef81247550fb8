"""The poolings that are there without any other package."""
