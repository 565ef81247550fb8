"""Coordinates of samples, kept so that a map opens without being computed again.

They lie in the artifact store, and a row of SQL names them: files without one are strays for
`features gc`. A map is known by the feature key, the dataset and the contents of its samples in
order, which of these have features, the method and its seed; labels and splits are no part of it:
it outlives a correction.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np

from headstart.errors import NotFound
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.cache.newest import newest_of
from headstart.registry.entities import Run
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import HELD_AS, PART, ArtifactStore
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.keys import fingerprint
from headstart.storage.shard_store import Holds

FORMAT = "headstart.map/1"
KIND = "map"


@dataclass(frozen=True)
class MapIdentity:
    """All that coordinates depend on.

    Attributes:
        feature_key: of the features.
        dataset: its name.
        contents: sha256 over the digests of the dataset's samples, in order.
        method: see `coordinates.METHODS`.
        seed: of the method, and of the choice where it cannot do all.
        rows: sha256 over which of the samples have features; others could not be read.
    """

    feature_key: str
    dataset: str
    contents: str
    method: str
    seed: int
    rows: str = ""

    @property
    def key(self) -> str:
        return fingerprint(FORMAT, asdict(self))


@dataclass(frozen=True)
class KeptMap:
    """Where a map is, and what it is of.

    Attributes:
        identity: what it depends on.
        backbone: by whose features, `NAME[:VERSION]@CUT`.
        precision: of the features.
        samples: that it shows.
        total: of so many.
        words: what the coordinates are, in words.
        parts: sha256 by the part's name.
        seconds: that it took.
        created_at: when it was made.
    """

    identity: MapIdentity
    backbone: str
    precision: str
    samples: int
    total: int
    words: str
    parts: dict[str, str]
    seconds: float = 0.0
    created_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.identity.key

    @property
    def dataset(self) -> str:
        return self.identity.dataset

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What a newer map stands in the place of: one of the dataset as it was."""
        return self.identity.feature_key, self.dataset, self.identity.method, self.identity.seed


class KeptMaps:
    """The maps of a workspace.

    Args:
        artifacts: where their files are.
        runs: where rows are.
        holds: by which files are held while they have no row.
    """

    def __init__(self, artifacts: ArtifactStore, runs: RunRepository, holds: Holds) -> None:
        self._artifacts = artifacts
        self._runs = runs
        self._holds = holds

    def find(self, key: str) -> KeptMap | None:
        """The map of a key; None if there is none, or if a file of it is gone."""
        for run in self._runs.find_latest(KIND, key, 1):
            kept = _of_run(run)
            if all(self._artifacts.has(digest, PART) for digest in kept.parts.values()):
                return kept
        return None

    def get(self, key: str) -> KeptMap:
        """The map of a key.

        Raises:
            NotFound: there is none.
        """
        found = self.find(key)
        if found is None:
            raise NotFound(
                f"no map {key[:12]!r} is kept", hint="Make it: `headstart features map`."
            )
        return found

    def find_all(self) -> list[KeptMap]:
        """All of them, the newest first; of datasets that changed, that of the newest contents."""
        return newest_of(self._runs, KIND, _of_run)

    def keep(self, kept: KeptMap, coordinates: np.ndarray, rows: np.ndarray) -> KeptMap:
        """Keep a map: the files first, then the row.

        Args:
            kept: what it is; the parts are put in.
            coordinates: (n, 2).
            rows: the numbers of the samples in their dataset, (n,).

        Raises:
            StorageError: the disk does not take it.
        """
        content = {
            "coordinates": _packed(coordinates.astype("<f4")),
            "rows": _packed(rows.astype("<u4")),
        }
        # Held: `features gc` leaves alone what has no row yet.
        with self._holds.hold(HELD_AS):
            parts = {name: self._artifacts.keep(part) for name, part in content.items()}
            counts = {
                "identity": asdict(kept.identity),
                "backbone": kept.backbone,
                "precision": kept.precision,
                "samples": kept.samples,
                "total": kept.total,
                "words": kept.words,
                "parts": parts,
            }
            seconds = round(kept.seconds, 3)
            self._runs.add(Run(KIND, kept.key, kept.dataset, "done", counts, seconds, {}))
        return self.get(kept.key)

    def coordinates(self, kept: KeptMap) -> np.ndarray:
        """(n, 2), float32.

        Raises:
            ArtifactDamaged: the file is missing, or is not what was kept.
        """
        return _unpacked(self._artifacts.read(kept.parts["coordinates"]))

    def rows(self, kept: KeptMap) -> np.ndarray:
        """The numbers of the samples in their dataset, (n,) uint32.

        Raises:
            ArtifactDamaged: the file is missing, or is not what was kept.
        """
        return _unpacked(self._artifacts.read(kept.parts["rows"]))

    def needed_parts(self, feature_keys: Collection[str], datasets: Collection[str]) -> set[str]:
        """sha256 of the files of maps whose features and dataset are still there."""
        return {
            digest
            for kept in self.find_all()
            if kept.identity.feature_key in feature_keys and kept.dataset in datasets
            for digest in kept.parts.values()
        }


def contents_of(samples: SampleColumns) -> str:
    """sha256 over the digests of samples, in order."""
    found = hashlib.sha256()
    for digests in samples.digest_blocks():
        found.update(digests.tobytes())
    return found.hexdigest()


def rows_of(cache: FeatureCache, key: str, samples: SampleColumns) -> str:
    """sha256 over which of some samples have features, a bit each, in order."""
    present = cache.open_index(key).find_blocks(samples.digest_blocks()).present
    return hashlib.sha256(np.packbits(present).tobytes()).hexdigest()


def _of_run(run: Run) -> KeptMap:
    counts = run.counts
    return KeptMap(
        MapIdentity(**counts["identity"]),
        counts["backbone"],
        counts["precision"],
        counts["samples"],
        counts["total"],
        counts["words"],
        dict(counts["parts"]),
        run.seconds,
        run.created_at,
    )


def _packed(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _unpacked(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)
