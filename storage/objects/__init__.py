"""Object stores: S3, Google's, Azure's, and folders that are spoken to likewise."""
