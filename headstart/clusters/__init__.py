"""Clusters of machines on which work is done for this process."""
