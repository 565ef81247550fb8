"""Data that are in memory as dataset sources: they are written once, and read from there."""
