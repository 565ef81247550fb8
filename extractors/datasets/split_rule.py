"""How the samples of a dataset come into their splits: as the source says, or dealt out.

Two things are stored among a dataset's options. `split` is what somebody asked for, or what was
found: `folders`, where splits are folders. `deal` is how samples are dealt out of which the source
does not say the split. Datasets that hold no `deal` are from before there was a choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.source import DatasetSource, Option, Options
from headstart.registry.names import nearest

SPLIT = Option(
    "split",
    "How samples are split: `folders` called train, val, test, or `hash` by their content.",
    metavar="HOW",
)
FOLDERS = "folders"
HASH = "hash"
BEFORE = "before"
"""The `deal` of a dataset from before there was a choice: by hash, whatever the folders are called;
groups and splits of arrays are not looked for."""
UNSETTLED = "unsettled"
"""The `deal` of a dataset that is being added, when nobody said how it is split."""


def asked(source: type[DatasetSource], text: str | None) -> dict[str, Any]:
    """The options of a new dataset that say how it is split, as it is asked for.

    Args:
        source: the kind.
        text: as it was given; None to look at what the source says.

    Raises:
        DatasetError: there is no such way, or not for this kind.
    """
    if text is None:
        return {"deal": UNSETTLED}
    if text == FOLDERS:
        if FOLDERS not in getattr(source, "own_splits", ()):
            raise DatasetError(
                f"a dataset of kind {source.kind} has no folders that could be splits",
                hint="--split folders is for folders of train, val and test.",
            )
        return {"split": FOLDERS, "deal": HASH}
    if text != HASH:
        raise DatasetError(
            f"no way to split is called {text!r}",
            hint=nearest(text, (FOLDERS, HASH)) or f"There are {FOLDERS} and {HASH}.",
        )
    return {"split": HASH, "deal": HASH}


def settled(options: Options, found: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are stored: what was found in the source is not looked for again.

    Args:
        options: with which the dataset was added.
        found: options that the source found out.
    """
    dealt = {"deal": HASH} if is_unsettled(options) else {}
    return {**options, **dealt, **found}


def as_stored(options: Options) -> dict[str, Any]:
    """The options of a registered dataset: one of before there was a choice is marked as such."""
    return {"deal": BEFORE, **options}


def is_before(options: Options) -> bool:
    """Whether a source is to be read as it was before there was a choice."""
    return options.get("deal") == BEFORE


def is_unsettled(options: Options) -> bool:
    """Whether a source may find out by itself what its splits are: nobody has said."""
    return options.get("deal", UNSETTLED) == UNSETTLED


def ignores_own(options: Options) -> bool:
    """Whether what the source says of splits is not used, as samples are to be dealt out."""
    return options.get("split") not in (None, FOLDERS)


def split_options(options: Options) -> dict[str, Any]:
    """Those of a dataset's stored options that say how it is split."""
    stored = as_stored(options)
    return {name: stored[name] for name in ("split", "deal") if name in stored}


def said_of(options: Options) -> str:
    """How a dataset is split, in a word: `folders`, `hash`."""
    how = str(options.get("split") or options.get("deal", BEFORE))
    return HASH if how == BEFORE else how
