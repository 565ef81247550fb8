"""Trunks in int8: how they are made, kept, and chosen."""
