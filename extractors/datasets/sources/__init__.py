"""The kinds of dataset sources, a file each; see `extractors.datasets.source`."""
