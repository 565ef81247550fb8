"""The process of a command: what is loaded beside it, and how it ends."""
