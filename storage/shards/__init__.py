"""Shards: their bytes, their names, writing and reading one as a whole."""
