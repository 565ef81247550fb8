"""SQL: backbones, cut points, datasets, feature sets, shards, heads and runs."""
