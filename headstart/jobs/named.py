"""Backbone and dataset of a verb by their registered names, whatever was given for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetError, NotFound
from headstart.jobs.source_names import is_name_alone
from headstart.registry.backbones import BackboneRepository
from headstart.registry.datasets import DatasetRepository

MODEL = re.compile(r"(?s)(zoo|applications|kerashub):.+|.+\.(keras|h5|hdf5)")
"""A source of a backbone that is none of a dataset."""
SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
"""By which a folder is a source of a backbone."""


def is_source(given: str) -> bool:
    """Whether a text may be the source of a backbone or dataset, whatever names there are."""
    from headstart.jobs.backbones.named import find_source
    from headstart.jobs.datasets.named import is_dataset_source

    return find_source(given) is not None or is_dataset_source(given)


def both_named(
    context: Context,
    backbone: Any,
    dataset: Any,
    *,
    looks: bool = True,
    on_error: str = "fail",
    of_numbers: bool = False,
) -> tuple[str, str]:
    """See `backbone_named` and `dataset_named`; where one is nothing, nothing is registered."""
    if is_name_alone(backbone) and is_name_alone(dataset):
        with suppress(NotFound):  # that is said below, with what may be meant
            return _registered(context, backbone, dataset)
    # Here, as whoever gives names needs no kind of source, which are fifty modules.
    from headstart.jobs.backbones.named import backbone_named, find_source
    from headstart.jobs.datasets.named import dataset_named

    with in_order(context, backbone, dataset):
        if find_source(backbone) is None:
            backbone = backbone_named(context, backbone)
        how: dict[str, Any] = {"on_error": on_error, "of_numbers": of_numbers}
        of = dataset_named(context, dataset, looks=looks, **how)
        return backbone_named(context, backbone), of


def _registered(context: Context, backbone: str, dataset: str) -> tuple[str, str]:
    context.backbones.get(backbone.partition("@")[0])
    return backbone, context.datasets.get(dataset).name


@contextmanager
def in_order(context: Context, backbone: Any, dataset: Any) -> Iterator[None]:
    """What is not found because a backbone and a dataset were given in each other's place says so.

    Raises:
        NotFound: as the block raises it, or with that word.
        DatasetError: as the block raises it.
    """
    try:
        yield
    except (NotFound, DatasetError) as error:
        if not (isinstance(backbone, str) and isinstance(dataset, str)):
            raise
        from headstart.jobs.datasets.named import is_dataset_source

        is_swapped = _is_backbone(context, dataset) and not _is_backbone(context, backbone)
        if is_swapped and (_is(context.datasets, backbone) or is_dataset_source(backbone)):
            raise NotFound(
                f"{backbone!r} is a dataset and {dataset!r} a backbone, in each other's place",
                hint=f"Swap them: the backbone is {dataset}, the dataset {backbone}.",
            ) from error
        if _is(context.datasets, backbone) and not _is_backbone(context, backbone):
            raise NotFound(
                error.message,
                hint=f"{backbone!r} is a dataset, where a backbone is wanted: that comes before "
                "the dataset, and behind the name of a head.",
            ) from error
        raise


def _is_backbone(context: Context, given: str) -> bool:
    """Whether it is the name of a backbone, or can only be a source of one."""
    name = given.partition("@")[0]
    if MODEL.fullmatch(name) is not None or _is(context.backbones, name):
        return True
    from headstart.extractors.datasets.named_files import is_there

    return any(is_there(Path(given) / file) for file in SAVED_MODEL)


def _is(repository: BackboneRepository | DatasetRepository, name: str) -> bool:
    try:
        repository.get(name)
    except NotFound:
        return False
    return True
