"""The bases of settings, which are checked, and of results, which are shown."""
