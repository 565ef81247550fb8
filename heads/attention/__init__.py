"""Heads that look at the tokens of a sample, not at their mean."""
