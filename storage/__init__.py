"""Files: feature keys, shards, the row index, views, artifacts and manifests."""
