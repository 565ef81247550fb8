"""Bundles: a backbone with its preprocessing, cuts and, if wanted, features in one `.zip`.

What is in a bundle is not believed: the model goes through the same safety check and the same
reading as one that is added, and must come out with the cut fingerprints that the bundle states;
every file must have the sha256 that it states. Nothing is unpacked that is not listed.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.errors import BackboneError, first_line
from headstart.extractors.loading import SUFFIXES
from headstart.extractors.preprocessing import Preprocessing
from headstart.extractors.registering import read_backbone
from headstart.extractors.steps import files_of
from headstart.registry.entities import Backbone, FeatureSet, Shard
from headstart.storage.artifacts import Artifact, ArtifactStore
from headstart.storage.files import BLOCK, sha256_of_file, written_aside
from headstart.storage.keys import canonical_json

FORMAT = "headstart.bundle"
VERSION = 1
HEAD = "bundle.json"
LARGEST_HEAD = 64 << 20


@dataclass(frozen=True)
class BundledShard:
    """A shard in a bundle: its name there, its feature key, sha256 and size."""

    name: str
    feature_key: str
    sha256: str
    size: int


def write_bundle(
    target: Path,
    backbone: Backbone,
    artifacts: ArtifactStore,
    shards: Sequence[tuple[FeatureSet, Shard, Path]],
    progress: Callable[[int, int], None],
) -> None:
    """Write a bundle.

    Args:
        target: the `.zip`; there as a whole or not at all.
        backbone: what is bundled.
        artifacts: where its files are.
        shards: the shards to take along, with their feature set and file.
        progress: called with (bytes written, bytes in all).

    Raises:
        ArtifactDamaged: a stored file is not what was registered.
        BackboneError: a shard is not what was committed.
    """
    suffix = SUFFIXES[backbone.format]
    artifact = artifacts.get(Artifact(backbone.artifact_digest, backbone.artifact_size), suffix)
    parts = _parts_of(backbone.preprocessing)
    bundled = [
        BundledShard(
            f"features/{feature_set.key}/{PurePosixPath(shard.file).name}",
            feature_set.key,
            shard.sha256,
            shard.size,
        )
        for feature_set, shard, _ in shards
    ]
    head = {
        "format": FORMAT,
        "version": VERSION,
        "backbone": {
            "name": backbone.name,
            "source": backbone.source,
            "artifact": f"model{suffix}",
            "artifact_digest": backbone.artifact_digest,
            "licence": backbone.licence,
            "tags": backbone.tags,
            "preprocessing": backbone.preprocessing,
            "default_cut": backbone.default_cut.name,
            "cuts": {cut.name: cut.fingerprint for cut in backbone.cuts},
        },
        "parts": parts,
        "shards": [vars(shard) for shard in bundled],
    }
    total = backbone.artifact_size + sum(shard.size for shard in bundled)
    done = 0
    with written_aside(target) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        archive.writestr(HEAD, canonical_json(head))
        for digest in parts:
            archive.writestr(f"parts/{digest}", artifacts.read(digest))
        archive.write(artifact, f"model{suffix}")
        progress(done := backbone.artifact_size, total)
        for one, (_, shard, path) in zip(bundled, shards, strict=True):
            if sha256_of_file(path) != shard.sha256:
                raise BackboneError(
                    f"the shard {path} is not what was committed",
                    hint="Run `headstart features verify --full`, then `headstart extract`.",
                )
            archive.write(path, one.name)
            progress(done := done + one.size, total)


class Bundle:
    """A bundle that is being read; use it as a context.

    Raises:
        BackboneError: it is none, or it was written by newer code.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated():
            self._archive = zipfile.ZipFile(path)
            if self._archive.getinfo(HEAD).file_size > LARGEST_HEAD:
                raise ValueError(f"{HEAD} is too large")
            self._head = json.loads(self._archive.read(HEAD))
            found = (self._head["format"], self._head["version"])
            if found != (FORMAT, VERSION):
                raise BackboneError(
                    f"{path} has the format {found[0]} {found[1]}; this code reads {FORMAT} "
                    f"{VERSION}",
                    hint="Upgrade headstart if it was written by a newer one.",
                )
            self.record: dict[str, Any] = self._head["backbone"]
            self.shards = [BundledShard(**shard) for shard in self._head["shards"]]

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_error: object) -> None:
        self._archive.close()

    def read_backbone(
        self, name: str | None, artifacts: ArtifactStore, scratch: Path, *, trust: bool
    ) -> Backbone:
        """The backbone, read and cut anew from the model in the bundle.

        Args:
            name: to register it under; the one it had without it.
            artifacts: where its files are kept.
            scratch: a folder to unpack into.
            trust: load the model even if it brings code.

        Raises:
            UnsafeModel: the model could run code, and `trust` is not given.
            BackboneError: it is not what the bundle says.
        """
        record = self.record
        with self._translated():
            for digest in self._head["parts"]:
                if artifacts.keep(self._archive.read(f"parts/{digest}")) != digest:
                    raise ValueError(f"parts/{digest} has another sha256")
            suffix = Path(record["artifact"]).suffix
            if suffix not in SUFFIXES.values():
                raise ValueError(f"no model format {suffix!r}")
            model = scratch / f"model{suffix}"
            self._unpack(record["artifact"], model, record["artifact_digest"])
        pipeline = Preprocessing.from_json(record["preprocessing"], str(self.path), artifacts)
        backbone = read_backbone(
            name or record["name"],
            str(model),
            artifacts,
            cut=record["default_cut"],
            preprocess=pipeline,
            licence=record["licence"],
            tags=record["tags"],
            trust=trust,
        )
        cuts = {cut.name: cut.fingerprint for cut in backbone.cuts}
        if cuts != record["cuts"]:
            raise BackboneError(
                f"the model in {self.path} is not the one that the bundle describes: its cuts "
                "have other fingerprints",
                hint="Nothing was registered. Get the bundle again.",
            )
        return replace(backbone, source=record["source"])

    def unpack_shard(self, shard: BundledShard, target: Path) -> None:
        """Write a shard's file; there as a whole, with the sha256 that is stated, or not at all."""
        with self._translated():
            self._unpack(shard.name, target, shard.sha256)

    def _unpack(self, name: str, target: Path, sha256: str) -> None:
        found = hashlib.sha256()
        with self._archive.open(name) as member, written_aside(target) as file:
            while block := member.read(BLOCK):
                found.update(block)
                file.write(block)
            if found.hexdigest() != sha256:
                raise ValueError(f"{name} has another sha256")

    @contextmanager
    def _translated(self) -> Any:
        try:
            yield
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            if isinstance(error, BackboneError) or (
                isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            ):
                raise
            raise BackboneError(
                f"cannot read {self.path} as a bundle: {first_line(error)}",
                hint="Give a file that `headstart backbone export` wrote.",
            ) from error


def _parts_of(preprocessing: dict[str, Any]) -> list[str]:
    """sha256 of the stored files that a pipeline needs."""
    chains = preprocessing.get("inputs", {}).values() or [preprocessing.get("steps", [])]
    return sorted({digest for steps in chains for digest in files_of(steps)})
