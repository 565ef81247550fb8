"""Kinds whose weights are of what the classes are called; see `kind.TakesClassNames`."""
