"""The layers of a head: what they compute, how they are stored, what they must be to work."""
