"""Pictures: PNG or SVG, by the file's name."""
