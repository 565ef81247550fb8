"""Labels that people changed and samples that they excluded: kept with a dataset, applied whenever
its source is looked at; the source itself is never edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from headstart.errors import DatasetError
from headstart.notices import warn
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label, Manifest
from headstart.storage.windowed.wholes import are_windows, numbered

CORRECTIONS = "corrections"
"""Among the options of a dataset."""
NAMED = 5


@dataclass(frozen=True)
class Change:
    """A label that was changed.

    Attributes:
        digest: of the content that has it: another content by that id keeps its own label.
        before: as the source has it.
        after: as it is now.
    """

    digest: str
    before: Label | None
    after: Label


@dataclass(frozen=True)
class Corrections:
    """What people changed of a dataset.

    Attributes:
        labels: by id.
        excluded: ids, each with the digest of its content.
        versions: digests of what the dataset was before, as far as only corrections lie between.
    """

    labels: Mapping[str, Change] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()

    @staticmethod
    def of(options: Mapping[str, Any]) -> Corrections:
        """Those of a dataset, by its options."""
        known = options.get(CORRECTIONS, {})
        labels = {id_: Change(**one) for id_, one in known.get("labels", {}).items()}
        return Corrections(labels, known.get("excluded", {}), tuple(known.get("versions", ())))

    def stored(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of a dataset with these corrections."""
        others = {name: value for name, value in options.items() if name != CORRECTIONS}
        if not (self.labels or self.excluded or self.versions):
            return others
        labels = {id_: asdict(one) for id_, one in self.labels.items()}
        known = {"labels": labels, "excluded": dict(self.excluded), "versions": [*self.versions]}
        return {**others, CORRECTIONS: known}

    def to_text(self) -> str:
        """How many there are, in words; empty of none."""
        counts = ((len(self.labels), "labels changed"), (len(self.excluded), "samples excluded"))
        return ", ".join(f"{count:,} {what}" for count, what in counts if count)


class Wholes:
    """The samples of a manifest by their ids, whether or not they were cut into windows."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.samples = manifest.columns
        self._numbers: np.ndarray | None = None
        if are_windows(manifest.samples):
            wholes, self._numbers = numbered(manifest.samples)
            self.samples = SampleColumns.of(wholes)
        self._finder = IdFinder(self.samples)

    def find(self, ids: Iterable[str]) -> list[int]:
        """The number of each; `ABSENT` where there is none."""
        listed = list(ids)
        return self._finder.find(listed).tolist() if listed else []

    def changed(self, labels: Mapping[int, Label | None], excluded: Iterable[int]) -> Manifest:
        """The manifest with other labels, and without some samples, by their numbers."""
        columns = self._manifest.columns
        numbers = np.arange(len(columns)) if self._numbers is None else self._numbers
        stay = ~np.isin(numbers, list(excluded))
        meant = np.isin(numbers, list(labels))
        kept = columns.where(stay)
        if (meant & stay).any():
            own = numbers[stay]
            kept = SampleColumns.of(_relabelled(kept, own, meant[stay], labels), columns.source)
        return Manifest(self._manifest.kind, self._manifest.source, kept)


def _relabelled(
    columns: SampleColumns, numbers: np.ndarray, meant: np.ndarray, labels: Mapping[int, Any]
) -> Iterator[Any]:
    for row, sample in enumerate(columns):
        yield replace(sample, label=labels[int(numbers[row])]) if meant[row] else sample


def corrected(manifest: Manifest, options: Mapping[str, Any]) -> Manifest:
    """A manifest as its source says, with the corrections that are among its options.

    Raises:
        DatasetError: no sample is left.

    Warns:
        HeadstartWarning: samples that were corrected have other contents by now, and are as the
            source says.
    """
    known = Corrections.of(options)
    if not (known.labels or known.excluded):
        return manifest
    wholes = Wholes(manifest)
    contents = {id_: one.digest for id_, one in known.labels.items()} | dict(known.excluded)
    found, stale = {}, []
    for id_, number in zip(contents, wholes.find(contents), strict=True):
        if number == ABSENT:
            continue  # gone from the source; it may come back
        if wholes.samples[number].digest == contents[id_]:
            found[id_] = number
        else:
            stale.append(id_)
    if stale:
        warn(
            f"{manifest.source}: {len(stale):,} corrected samples have other contents by now; "
            f"labels are as the source says: {some(stale)}"
        )
    labels = {found[id_]: one.after for id_, one in known.labels.items() if id_ in found}
    excluded = [found[id_] for id_ in known.excluded if id_ in found]
    made = wholes.changed(labels, excluded)
    if not len(made.samples):
        raise DatasetError(
            f"{manifest.source}: all samples are excluded",
            hint="Include some again: headstart dataset exclude NAME ID --undo.",
        )
    return made


def after_others(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a dataset that changed otherwise than by corrections."""
    return replace(Corrections.of(options), versions=()).stored(options)


def some(ids: Iterable[str]) -> str:
    """The first few, in words."""
    listed = list(ids)
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return f"{', '.join(map(repr, listed[:NAMED]))}{more}"
