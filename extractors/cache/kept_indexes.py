"""Indexes of features, kept so that whoever looks for neighbours among very many need not wait.

They lie in the artifact store, and a row of SQL names them: files without one are strays for
`features gc`. An index is known by the feature key, the dataset and the contents of its samples in
order; of windows by how they were cut and taken together, too. It says which rows to look at, and
no number of it is served: one that is missing, damaged or of other code is made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.extractors.cache.newest import newest_of
from headstart.registry.entities import Run
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import HELD_AS, Artifact, ArtifactStore
from headstart.storage.keys import fingerprint
from headstart.storage.shard_store import Holds

KIND = "index"
SUFFIX = ".index"


@dataclass(frozen=True)
class IndexIdentity:
    """All that an index depends on.

    Attributes:
        feature_key: of the features; of joined ones that of all of them together.
        sets: the keys of the feature sets that they are of.
        dataset: its name.
        contents: `kept_maps.contents_of` the samples that it is of.
        format: of what is in the file.
        windows: of samples that are cut into windows, how these are taken together, and the digest
            of the dataset that lists them; the contents say nothing of where they begin.
        choice: which of the samples it is of, as they were asked for; all of them without it.
    """

    feature_key: str
    sets: tuple[str, ...]
    dataset: str
    contents: str
    format: str
    windows: str = ""
    choice: str = ""

    @property
    def key(self) -> str:
        return fingerprint(self.format, asdict(self))


@dataclass(frozen=True)
class KeptIndex:
    """Where an index is, and what is to be known of it.

    Attributes:
        identity: what it depends on.
        file: its sha256 and size.
        facts: JSON values.
        seconds: that it took.
    """

    identity: IndexIdentity
    file: Artifact
    facts: Mapping[str, Any]
    seconds: float

    @property
    def place(self) -> tuple[str, str, str]:
        """What a newer index stands in the place of: one of the dataset as it was."""
        return self.identity.feature_key, self.identity.dataset, self.identity.choice


class KeptIndexes:
    """The indexes of a workspace.

    Args:
        artifacts: where their files are.
        runs: where rows are.
        holds: by which files are held while they have no row.
    """

    def __init__(self, artifacts: ArtifactStore, runs: RunRepository, holds: Holds) -> None:
        self._artifacts = artifacts
        self._runs = runs
        self._holds = holds

    def find(self, identity: IndexIdentity) -> KeptIndex | None:
        """The index of an identity; None if there was none."""
        run = next(iter(self._runs.find_latest(KIND, identity.key, 1)), None)
        return None if run is None else _of_run(run)

    def path_of(self, kept: KeptIndex) -> Path:
        """Its file, after its size and sha256 were found right.

        Raises:
            ArtifactDamaged: it is missing, or is not what was kept.
        """
        return self._artifacts.get(kept.file, SUFFIX)

    def keep(
        self, identity: IndexIdentity, path: Path, facts: Mapping[str, Any], seconds: float
    ) -> None:
        """Keep an index: the file first, then the row.

        Raises:
            StorageError: the disk does not take it.
        """
        with self._holds.hold(HELD_AS):  # `features gc` leaves alone what has no row yet
            file = self._artifacts.put(path, SUFFIX)
            counts = {"identity": asdict(identity), "file": asdict(file), "facts": dict(facts)}
            run = Run(KIND, identity.key, identity.dataset, "done", counts, round(seconds, 3), {})
            self._runs.add(run)

    def needed_files(self, feature_keys: Collection[str], datasets: Collection[str]) -> set[str]:
        """sha256 of the files of indexes whose features and dataset are still there; of a dataset
        that changed, that of the newest contents."""
        return {
            one.file.digest
            for one in newest_of(self._runs, KIND, _of_run)
            if set(one.identity.sets) <= set(feature_keys) and one.identity.dataset in datasets
        }


def _of_run(run: Run) -> KeptIndex:
    given = run.counts["identity"]
    identity = IndexIdentity(**{**given, "sets": tuple(given["sets"])})
    return KeptIndex(identity, Artifact(**run.counts["file"]), run.counts["facts"], run.seconds)
