"""Engines: what runs a trunk; each is checked against TensorFlow before it may."""
