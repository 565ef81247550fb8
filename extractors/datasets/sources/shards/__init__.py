"""Sources whose samples lie one behind the other in a few large files."""
