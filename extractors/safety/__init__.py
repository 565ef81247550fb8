"""Models from outside: looked at before they are loaded, and loaded first where they do no harm."""
