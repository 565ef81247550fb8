"""Backbone and dataset of a verb by their registered names, whatever was given for them."""

from __future__ import annotations

from typing import Any

from headstart.context import Context
from headstart.jobs.backbones.named import backbone_named, find_source
from headstart.jobs.datasets.named import dataset_named


def both_named(
    context: Context, backbone: Any, dataset: Any, *, looks: bool = True, on_error: str = "fail"
) -> tuple[str, str]:
    """See `backbone_named` and `dataset_named`; where one is nothing, nothing is registered."""
    if find_source(backbone) is None:
        backbone = backbone_named(context, backbone)
    of = dataset_named(context, dataset, looks=looks, on_error=on_error)
    return backbone_named(context, backbone), of
