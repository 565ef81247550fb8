"""Which of the things that are registered are meant: their tags, filters, and in which order."""
