"""Heads: train, evaluate, attach."""
