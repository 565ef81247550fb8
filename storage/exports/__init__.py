"""A view as one file or folder that others read without Headstart."""
