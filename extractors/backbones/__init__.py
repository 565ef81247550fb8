"""Backbones: opening a model, its graph, its cut points, the trunk up to some of them."""
