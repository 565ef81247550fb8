"""Runs: from a plan to committed rows."""
