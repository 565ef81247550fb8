"""Backbones: load, cut, preprocess, run."""
