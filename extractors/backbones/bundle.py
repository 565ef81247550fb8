"""Bundles: a backbone with its preprocessing, cuts and, if wanted, features in one `.zip`.

What is in a bundle is not believed: every field of its head has a declared shape, every member is
listed and no larger than it may be, every file must have the sha256 that is stated. The model goes
through the same safety check and the same reading as one that is added, and must come out with the
cut fingerprints that the bundle states; shards must be of those cuts.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.errors import (
    BackboneError,
    FeatureError,
    HeadstartError,
    ShardDamaged,
    first_line,
)
from headstart.extractors.backbones.bundle_head import HEAD, LARGEST_HEAD, BundledShard, BundleHead
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.loader import SUFFIXES
from headstart.extractors.backbones.pooling import POOLINGS
from headstart.extractors.backbones.poolings.fewer_tokens import find_fewer
from headstart.extractors.backbones.registration import Read, Wanted, read_backbone
from headstart.extractors.cache.reindex import check_account
from headstart.extractors.preprocessing.augmentation import view_of
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.safety.copies import Copy
from headstart.extractors.safety.first_load import FirstLoad
from headstart.extractors.safety.shards_apart import ShardsApart
from headstart.fields import WrongField
from headstart.paths import below, inside
from headstart.registry.entities import Backbone, FeatureSet, Shard
from headstart.storage.artifacts import Artifact, ArtifactStore
from headstart.storage.files import BLOCK, open_regular, written_aside
from headstart.storage.shard_store import ShardStore
from headstart.storage.shards.shard import CheckedShard, read_foreign_shard

NOTHING_KEPT = "Nothing was registered. Get the bundle again."


def write_bundle(
    target: Path,
    backbone: Backbone,
    artifacts: ArtifactStore,
    store: ShardStore,
    shards: Sequence[tuple[FeatureSet, Shard]],
    progress: Callable[[int, int], None],
) -> None:
    """Write a bundle.

    Args:
        target: the `.zip`; there as a whole or not at all.
        backbone: what is bundled.
        artifacts: where its files are.
        store: where shards are.
        shards: the shards to take along, each with its feature set.
        progress: called with (bytes written, bytes in all).

    Raises:
        ArtifactDamaged: a stored file is not what was registered.
        BackboneError: a shard is not what was committed.
    """
    suffix = SUFFIXES[backbone.format]
    artifact = artifacts.get(Artifact(backbone.artifact_digest, backbone.artifact_size), suffix)
    head = _head_of(backbone, f"model{suffix}", shards)
    total = backbone.artifact_size + sum(shard.size for shard in head.shards)
    done = 0
    with written_aside(target) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        archive.writestr(HEAD, head.to_bytes())
        for digest in head.parts:
            archive.writestr(f"parts/{digest}", artifacts.read(digest))
        archive.write(artifact, head.model)
        progress(done := backbone.artifact_size, total)
        for one, (_, shard) in zip(head.shards, shards, strict=True):
            archive.writestr(one.name, _committed(store, shard))
            progress(done := done + one.size, total)


def _committed(store: ShardStore, shard: Shard) -> bytes:
    try:
        content = store.read(shard.file)
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise BackboneError(
            f"the shard {store.place_of(shard.file)} is not what was committed",
            hint="Run `headstart features verify --full`, then `headstart extract`.",
        )
    return content


def _head_of(
    backbone: Backbone, model: str, shards: Sequence[tuple[FeatureSet, Shard]]
) -> BundleHead:
    record = {
        "name": backbone.name,
        "source": backbone.source,
        "artifact": model,
        "artifact_digest": backbone.artifact_digest,
        "licence": backbone.licence,
        "tags": backbone.tags,
        "preprocessing": backbone.preprocessing,
        "default_cut": backbone.default_name,
        "cuts": {cut.name: cut.fingerprint for cut in backbone.cuts},
    }
    bundled = [
        BundledShard(
            f"features/{feature_set.key}/{PurePosixPath(shard.file).name}",
            feature_set.key,
            shard.sha256,
            shard.size,
        )
        for feature_set, shard in shards
    ]
    parts = Preprocessing.from_json(backbone.preprocessing).stored_files
    return BundleHead(record, tuple(parts), tuple(bundled))


class Bundle:
    """A bundle that is being read; use it as a context. Nothing of it is written anywhere.

    Raises:
        BackboneError: it is none, it was written by newer code, or it is not what it lists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated(), ExitStack() as opened:
            self._file = opened.enter_context(open_regular(path))
            self._archive = zipfile.ZipFile(self._file)
            self.head = self._read_head()
            self._apart = ShardsApart()
            opened.callback(self._apart.close)
            self._opened = opened.pop_all()

    def _read_head(self) -> BundleHead:
        if self._archive.getinfo(HEAD).file_size > LARGEST_HEAD:
            raise WrongField(f"{HEAD} is larger than {LARGEST_HEAD:,} bytes")
        content = self._archive.read(HEAD)
        head = BundleHead.read(content, str(self.path))
        head.check_members(self._archive.infolist(), os.fstat(self._file.fileno()).st_size)
        pipeline = Preprocessing.from_json(head.backbone["preprocessing"], str(self.path))
        needed = pipeline.stored_files
        for digest in set(needed) ^ set(head.parts):
            state = "is needed and not listed" if digest in needed else "is not needed"
            raise WrongField(f"the part {digest} {state} by the preprocessing")
        return head

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_error: object) -> None:
        self._opened.close()

    def read_backbone(
        self,
        name: str | None,
        artifacts: ArtifactStore,
        scratch: Path,
        *,
        trust: bool,
        first: FirstLoad | None = None,
    ) -> Read:
        """The backbone and its graph, read and cut anew from the model in the bundle.

        Args:
            name: to register it under; the one it had without it.
            artifacts: where its files are put.
            scratch: a folder to unpack into.
            trust: load the model even if it brings code.
            first: how it is loaded first, if it is not trusted.

        Raises:
            UnsafeModel: the model could run code, and `trust` is not given.
            BackboneError: it is not what the bundle says.
        """
        record, first = self.head.backbone, first or FirstLoad()
        model = inside(scratch, self.head.model)
        with self._translated():
            for digest in self.head.parts:
                if artifacts.keep(self._archive.read(f"parts/{digest}")) != digest:
                    raise ValueError(f"parts/{digest} has another sha256")
            self._unpack(self.head.model, model, record["artifact_digest"])
        pipeline = Preprocessing.from_json(record["preprocessing"], str(self.path), artifacts)
        copy = Copy(model, inside(self.path, self.head.model))
        with copy.named():
            read = read_backbone(
                name or record["name"],
                str(model),
                artifacts,
                Wanted(
                    cut=record["default_cut"],
                    preprocess=pipeline,
                    licence=record["licence"],
                    tags=record["tags"],
                    trust=trust,
                    first=replace(first, say=lambda message: first.say(copy.renamed(message))),
                ),
            )
        cuts = {cut.name: cut.fingerprint for cut in read.backbone.cuts}
        if cuts != record["cuts"]:
            raise BackboneError(
                f"the model in {self.path} is not the one that the bundle describes: its cuts "
                "have other fingerprints",
                hint=NOTHING_KEPT,
            )
        return Read(replace(read.backbone, source=record["source"]), read.graph)

    def check_shard(self, shard: BundledShard, backbone: Backbone) -> CheckedShard:
        """Read a shard, in memory, and compare it with what the bundle and the backbone say.

        Raises:
            BackboneError: it has not the sha256 that is stated.
            ShardDamaged: it is no whole shard, or not of the feature key that is stated.
            FeatureError: it holds features of another backbone.
        """
        content = self.read_shard(shard)
        place = str(below(self.path, shard.name))
        self._apart.check(place, content)
        found = read_foreign_shard(place, content)
        account = check_account(found)
        if found.file.feature_key != shard.feature_key:
            raise ShardDamaged(f"the shard {found.place} is not of the key that is listed")
        _refuse_foreign(account, found.attributes["shape"], backbone)
        return found

    def read_shard(self, shard: BundledShard) -> bytes:
        """A shard's bytes, which have the sha256 that is stated.

        Raises:
            BackboneError: they have not, or cannot be read.
        """
        with self._translated():
            content = self._archive.read(shard.name)
            if hashlib.sha256(content).hexdigest() != shard.sha256:
                raise ValueError(f"{shard.name} has another sha256")
        return content

    def _unpack(self, name: str, target: Path, sha256: str) -> None:
        found = hashlib.sha256()
        with self._archive.open(name) as member, written_aside(target) as file:
            while block := member.read(BLOCK):
                found.update(block)
                file.write(block)
            if found.hexdigest() != sha256:
                raise ValueError(f"{name} has another sha256")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except HeadstartError:
            raise
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise
            shown = str(error) if isinstance(error, WrongField) else first_line(error)
            raise BackboneError(
                f"cannot read {self.path} as a bundle: {shown}",
                hint="Give a file that `headstart backbone export` wrote.",
            ) from error


def _refuse_foreign(found: dict[str, Any], shape: list[int], backbone: Backbone) -> None:
    """Refuse a shard that is not what this backbone gives, with one pooling or none."""
    cuts = [
        Cut(point, pooling)
        for point in backbone.cuts
        for pooling in (None, *POOLINGS, *_fewer(found["cut"]))
        if point.fingerprint == found["cut_fingerprint"]
    ]
    is_own = any(
        cut.fingerprint == found["trunk_fingerprint"] and _fits(shape, cut.shape) for cut in cuts
    )
    preprocessing = (found["preprocessing"], found["preprocessing_fingerprint"], found["view"])
    own = (backbone.preprocessing, backbone.preprocessing_fingerprint)
    if not is_own or preprocessing != (*own, view_of(backbone.preprocessing)):
        raise FeatureError(
            f"the bundle brings features of {found['backbone'][:200]}@{found['cut'][:200]}, which "
            f"are not of {backbone.label}",
            hint=NOTHING_KEPT,
        )


def _fewer(cut: str) -> list[str]:
    """The pooling of a cut's name, if it is one of those that leave fewer tokens."""
    pooling = cut.rpartition("|")[2]
    return [pooling] if find_fewer(pooling) else []


def _fits(shape: list[int], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, given) for given, size in zip(shape, wanted, strict=True)
    )
