"""Commands that look around in cached features."""
