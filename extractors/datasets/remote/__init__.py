"""Files that lie in an object store or on the web."""
