"""Preprocessing: from a sample's raw content to what goes into a trunk."""
