"""Heads on joined features, and several heads as one."""
