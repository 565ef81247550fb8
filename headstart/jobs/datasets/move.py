"""`ws.datasets.move`: a dataset's data lie somewhere else now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetChanged, DatasetError, SourceGone
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import after_others, corrected
from headstart.jobs.datasets.add import described, warn_of_new, warn_of_skipped
from headstart.jobs.datasets.details import DatasetDetails, details_of
from headstart.notices import warn
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.contents import Contents
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Moved(Showable):
    """What became of a dataset whose data were moved.

    Attributes:
        details: of the dataset as it is now.
        before: where its source was.
        same: samples that have the id and the content of before.
        samples_before: how many there were.
    """

    details: DatasetDetails
    before: str
    same: int
    samples_before: int

    @property
    def dataset(self) -> Dataset:
        """As it is now."""
        return self.details.dataset

    def _facts(self) -> dict[str, Any]:
        was = {"before": self.before, "same": self.same, "samples_before": self.samples_before}
        return {**self.details.to_json(), **was}


def move(
    context: Context,
    name: str,
    path: str | Path,
    progress: Progress = silent,
    *,
    force: bool = False,
) -> Moved:
    """Look for a dataset's samples at another place, and keep that place.

    Every file there is read and hashed: samples are known again by their id and content, so that
    splits, heads and features stay as they are. What an option names beside the old source, such as
    `root`, is looked for beside the new one.

    Raises:
        SourceGone: nothing is there.
        DatasetError: what is there has none of the samples, or fewer than half without `force`, is
            of another kind, or the dataset has no place outside of the workspace.
    """
    _check_movable(context, context.datasets.get(name))
    return relocate(context, name, path, progress, force=force)


def relocate(
    context: Context,
    name: str,
    path: str | Path,
    progress: Progress = silent,
    *,
    force: bool = False,
) -> Moved:
    """As `move`, also of data that are kept in the workspace itself, which lies elsewhere now."""
    dataset, place = context.datasets.get(name), sources.located(path)
    if sources.is_gone(place):
        raise SourceGone(f"there is nothing at {place}", hint="Name the place where the data are.")
    options = _moved_options(dataset, place)
    previous, skipped = context.manifest(dataset), list[str]()
    given = sources.as_stored(options)
    opened = sources.open_source(dataset.kind, place, given, context.artifacts)
    manifest = sources.scan(opened, given, previous, progress, skipped=skipped)
    manifest = corrected(manifest, given)
    before, after = wholes_of(previous).columns, wholes_of(manifest).columns
    same = _same(before, after)
    if not same:
        raise DatasetError(
            f"{place} has none of the {len(before):,} samples of dataset {name!r}",
            hint="Name the place where its own data are, or add these by another name.",
        )
    if 2 * same < len(before) and not force:
        raise DatasetError(
            f"{place} has {same:,} of the {len(before):,} samples of dataset {name!r}, fewer than "
            "half",
            hint="Name the place where its own data are, or add these by another name; if the "
            "others are gone, move it with --force (force=True).",
        )
    if same < len(before) or len(after) > same:
        warn(
            f"{place}: {same:,} of the {len(before):,} samples of dataset {name!r} are as they "
            f"were; there are {len(after):,} now"
        )
    stored = {key: value for key, value in options.items() if key not in ("skipped", "unused")}
    stored |= sources.listed(skipped) | warn_of_new(opened, options.get("unused"))
    if manifest.digest != previous.digest:
        stored = after_others(stored)
    found = described(context, name, manifest, stored, previous)
    updated = context.datasets.update(found, instead_of=dataset)
    if updated is None:
        raise DatasetChanged(
            f"dataset {name!r} was changed by somebody else while it was moved",
            hint="Nothing was stored; move it again.",
        )
    if stored.get("skipped") != options.get("skipped"):
        warn_of_skipped(place, skipped)
    return Moved(details_of(context, updated, manifest), dataset.source, same, len(before))


def _check_movable(context: Context, dataset: Dataset) -> None:
    is_kept = Contents(context.config.contents).find_name(dataset.source) is not None
    if is_kept or sources.FETCHED in dataset.options:
        raise DatasetError(
            f"the data of dataset {dataset.name!r} are kept in the workspace itself",
            hint="They move with it.",
        )


def _moved_options(dataset: Dataset, place: str) -> dict[str, Any]:
    """The options, with paths that lay beside the old source beside the new one."""
    if sources.is_address(dataset.source) or sources.is_address(place):
        return dict(dataset.options)
    is_folder = Path(place).is_dir()
    old = dataset.source if is_folder else str(Path(dataset.source).parent)
    new = place if is_folder else str(Path(place).parent)
    options = dict(dataset.options)
    for option in sources.SOURCES[dataset.kind].options:
        value = options.get(option.name)
        if option.takes in ("file", "folder") and isinstance(value, str):
            path = Path(value)
            if path.is_relative_to(old):
                options[option.name] = str(Path(new) / path.relative_to(old))
    return options


def _same(before: SampleColumns, after: SampleColumns) -> int:
    """Samples that have an id and content of before."""
    known = IdFinder(before)
    digests, same = before.digests, 0
    for block in after.blocks():
        rows = known.find(block.ids)
        there = rows != ABSENT
        same += int((digests[rows[there]] == block.digests[there]).all(axis=-1).sum())
    return same
