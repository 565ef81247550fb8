"""Columns in files: Parquet, Arrow, and what Hugging Face's `save_to_disk` writes."""
