"""Converted trunks: an engine's own files, for any processor, kept with what they have to give.

A trunk is converted where TensorFlow is loaded anyway, when its backbone is registered. Its files
lie in the artifact store by their sha256, which a row of SQL names, with seeded samples and the
features that TensorFlow gives for them: whoever compiles it later, on whatever processor, compares
with those before a row is committed, and needs no TensorFlow for it.

The row counts: files without one are strays for `features gc`, and a file that is missing or is
not what the row says is made anew. What a trunk was converted from and by is in the row's subject.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.seeded import pack, unpack
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.entities import Backbone, Run
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import HELD_AS, ArtifactStore
from headstart.storage.keys import fingerprint
from headstart.storage.shard_store import Holds

FORMAT = "headstart.converted/1"
KIND = "convert"
ON = "random"
"""In the place of a dataset's name: seeded samples, as `backbone verify` has them."""
REFERENCES = "references"
EVERY = 1 << 30


def made_of(backbone: Backbone, pipeline: Preprocessing, cuts: Sequence[Cut]) -> dict[str, Any]:
    """All that a trunk depends on, as an engine runs it, JSON values."""
    return {
        "cuts": [cut.fingerprint for cut in cuts],
        "inputs": [tensor["name"] for tensor in backbone.inputs],
        "size": pipeline.output_size,
        "arithmetic": list(pipeline.arithmetic),
    }


@dataclass(frozen=True)
class TrunkIdentity:
    """What a converted trunk was made of, and by.

    Attributes:
        backbone: that it was converted for, `NAME:VERSION`.
        points: fingerprints of the cut points; it is needed while a backbone has them.
        identity: all that it depends on, JSON values.
        versions: of what converted it, by name.
    """

    backbone: str
    points: Sequence[str]
    identity: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def lineage(self) -> str:
        """The same for every version of what converts."""
        return fingerprint(FORMAT, dict(self.identity))

    @property
    def key(self) -> str:
        """Of this trunk, converted by these versions."""
        return fingerprint(FORMAT, {**self.identity, "versions": dict(self.versions)})


class KeptTrunk:
    """A converted trunk as it is kept; files are read, and their hashes checked, when asked for.

    Args:
        artifacts: where they are.
        parts: sha256 by the part's name.
        facts: what its engine has to know besides, JSON values.
    """

    def __init__(
        self, artifacts: ArtifactStore, parts: Mapping[str, str], facts: dict[str, Any]
    ) -> None:
        self._artifacts = artifacts
        self._parts = parts
        self.facts = facts

    def read(self) -> dict[str, bytes]:
        """The engine's own files.

        Raises:
            ArtifactDamaged: one is missing, or is not what was kept.
        """
        return {k: self._artifacts.read(v) for k, v in self._parts.items() if k != REFERENCES}

    @cached_property
    def references(self) -> tuple[Batch, list[np.ndarray]]:
        """Samples as an engine takes them, and what TensorFlow gives for them in float32.

        Raises:
            ArtifactDamaged: they are missing, or are not what was kept.
        """
        return unpack(self._artifacts.read(self._parts[REFERENCES]))


class Conversions:
    """The converted trunks of a workspace.

    Args:
        artifacts: where files are kept.
        runs: where rows are.
        holds: by which the artifacts are held while they have no row.
    """

    def __init__(self, artifacts: ArtifactStore, runs: RunRepository, holds: Holds) -> None:
        self._artifacts = artifacts
        self._runs = runs
        self._holds = holds

    def find(self, trunk: TrunkIdentity) -> KeptTrunk | None:
        """What was kept of a trunk by these versions; None if nothing was."""
        run = next(iter(self._runs.find_latest(KIND, trunk.key, 1)), None)
        if run is None:
            return None
        return KeptTrunk(self._artifacts, run.counts["parts"], dict(run.counts["facts"]))

    def keep(
        self,
        trunk: TrunkIdentity,
        files: Mapping[str, bytes],
        references: tuple[Batch, Sequence[np.ndarray]],
        facts: Mapping[str, Any],
        seconds: float,
    ) -> None:
        """Keep a trunk: the files first, then the row.

        Raises:
            StorageError: the disk does not take it.
            ValueError: the samples cannot be kept.
        """
        content = {**files, REFERENCES: pack(*references)}
        # Held: `features gc` leaves alone what has no row yet.
        with self._holds.hold(HELD_AS):
            parts = {name: self._artifacts.keep(part) for name, part in content.items()}
            counts = {
                "backbone": trunk.backbone,
                "points": list(trunk.points),
                "lineage": trunk.lineage,
                "parts": parts,
                "facts": dict(facts),
            }
            versions = dict(trunk.versions)
            self._runs.add(Run(KIND, trunk.key, ON, "done", counts, round(seconds, 3), versions))

    def needed_parts(self, points: Collection[str]) -> set[str]:
        """sha256 of the files that are of these cut points, of each trunk the newest."""
        newest: dict[str, Run] = {}
        for run in self._runs.find_latest(KIND, limit=EVERY):
            newest.setdefault(run.counts["lineage"], run)
        return {
            digest
            for run in newest.values()
            if set(run.counts["points"]) <= set(points)
            for digest in run.counts["parts"].values()
        }
