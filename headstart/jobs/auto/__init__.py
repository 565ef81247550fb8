"""From a dataset to a checked head in a given time."""
