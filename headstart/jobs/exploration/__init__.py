"""Verbs that look around in the cache without any label."""
