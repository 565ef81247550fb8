"""The feature cache, and its care: what ties files to rows of the database."""
