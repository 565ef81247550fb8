"""What became of a dataset's samples since its source was last looked at, in words."""

from __future__ import annotations

import numpy as np

from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import some
from headstart.notices import tell, warn
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Manifest
from headstart.storage.windowed.wholes import wholes_of


def tell_of_changes(name: str, previous: Manifest, manifest: Manifest) -> None:
    """Say how many samples are gone, new and changed, and which classes are gone altogether.

    Args:
        name: of the dataset.
        previous: its samples as they were.
        manifest: as they are now.
    """
    before, after = wholes_of(previous).columns, wholes_of(manifest).columns
    stay, changed = _stay_and_changed(before, after)
    counts = {"gone": len(before) - stay, "new": len(after) - stay, "changed": changed}
    said = [(count, what) for what, count in counts.items() if count]
    if said:
        (count, what), *others = said
        told = [f"{count:,} samples are {what}"]
        told += [f"{count:,} {'is' if count == 1 else 'are'} {what}" for count, what in others]
        tell(f"{name}: {', '.join(told)}: {len(after):,} now, {len(before):,} before")
    classes = set(previous.classes)
    if sources.are_numbers_in(before) or sources.several_in(classes):  # no class is one label
        return
    left = {str(label) for label in manifest.classes}
    gone = [label for label in map(str, previous.classes) if label not in left]
    if gone and left:
        what = "the class" if len(gone) == 1 else "the classes"
        warn(f"{name}: no sample of {what} {some(gone)} is left")


def _stay_and_changed(before: SampleColumns, after: SampleColumns) -> tuple[int, int]:
    """How many samples have an id of before, and how many of those another content, label or
    weight."""
    known = IdFinder(before)
    digests, labels, stay, changed = before.digests, np.array(before.labels, object), 0, 0
    weights = before.weights
    for block in after.blocks():
        rows = known.find(block.ids)
        there = np.flatnonzero(rows != ABSENT)
        own = rows[there]
        is_other = (digests[own] != block.digests[there]).any(axis=-1)
        is_other |= labels[own] != np.array(block.labels, object)[there]
        is_other |= weights[own] != block.weights[there]
        stay, changed = stay + len(there), changed + int(is_other.sum())
    return stay, changed
