"""Commands about the workspace as a whole."""
