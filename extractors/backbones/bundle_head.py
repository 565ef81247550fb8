"""The head of a bundle: `bundle.json`, its declared shape, and which members it lists."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from headstart import fields
from headstart.errors import BackboneError
from headstart.fields import WrongField
from headstart.storage.keys import canonical_json

FORMAT = "headstart.bundle"
VERSION = 1
HEAD = "bundle.json"
LARGEST_HEAD = 16 << 20
"""Bytes; some 40,000 shards."""
LARGEST_PART = 512 << 20
"""Bytes of a file that a preprocessing step needs; it is read into memory."""
LARGEST_SHARD = 1 << 30
"""Bytes; extraction and compaction write some 64 MiB."""
SUFFIXES = (".keras", ".h5", ".pb")
MODELS = tuple(f"model{suffix}" for suffix in SUFFIXES)
TEXT = 10_000
MOST_TAGS, MOST_CUTS = 1_000, 100_000
"""Each tag is a row of the database."""
SHARD = fields.record(
    {
        "name": fields.text(TEXT),
        "feature_key": fields.digest,
        "sha256": fields.digest,
        "size": fields.whole(LARGEST_SHARD),
    }
)
BACKBONE = fields.record(
    {
        "name": fields.name,
        "source": fields.text(TEXT),
        "artifact": fields.text(TEXT),
        "artifact_digest": fields.digest,
        "licence": fields.optional(fields.text(200)),
        "tags": fields.mapping(fields.text(200), fields.text(TEXT), MOST_TAGS),
        "preprocessing": fields.anything,  # `Preprocessing.from_json` looks at it
        "default_cut": fields.text(TEXT),
        "cuts": fields.mapping(fields.text(TEXT), fields.digest, MOST_CUTS),
    }
)
WHOLE = fields.record(
    {
        "format": fields.one_of(FORMAT),
        "version": fields.whole(VERSION),
        "backbone": BACKBONE,
        "parts": fields.list_of(fields.digest),
        "shards": fields.list_of(SHARD),
    }
)


@dataclass(frozen=True)
class BundledShard:
    """A shard in a bundle: its name there, its feature key, sha256 and size."""

    name: str
    feature_key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class BundleHead:
    """What a bundle says it holds, every field of its declared shape.

    Attributes:
        backbone: the record of the backbone, see `BACKBONE`.
        parts: sha256 of the files that its preprocessing needs.
        shards: the shards that came along.
    """

    backbone: dict[str, Any]
    parts: tuple[str, ...]
    shards: tuple[BundledShard, ...]

    @staticmethod
    def read(content: bytes, where: str) -> BundleHead:
        """The head from its JSON.

        Args:
            content: of `bundle.json`.
            where: the bundle, for messages.

        Raises:
            WrongField: a field is missing, unknown or not what it must be.
            BackboneError: it was written by newer code.
        """
        head = fields.read_json(content, HEAD)
        _refuse_other_formats(head, where)
        whole = WHOLE(head, "")
        record, shards = whole["backbone"], [BundledShard(**shard) for shard in whole["shards"]]
        if record["artifact"] not in MODELS:
            suffix = PurePosixPath(record["artifact"]).suffix
            raise WrongField(
                f"backbone.artifact has no model format {suffix[:20]!r}; it must be one of "
                f"{', '.join(MODELS)}"
            )
        for shard in shards:
            _, _, file = shard.name.rpartition("/")
            fields.name(file, "the file name of a shard")
            if shard.name != f"features/{shard.feature_key}/{file}":
                raise fields.refuse(shard.name, "shard.name", "features/FEATURE_KEY/FILE")
        return BundleHead(record, tuple(whole["parts"]), tuple(shards))

    def to_bytes(self) -> bytes:
        """The JSON of the head; what `read` would refuse is not written.

        Raises:
            BackboneError: there is too much to list, or a field cannot be written.
        """
        content = canonical_json(
            {
                "format": FORMAT,
                "version": VERSION,
                "backbone": self.backbone,
                "parts": list(self.parts),
                "shards": [vars(shard) for shard in self.shards],
            }
        )
        if len(content) > LARGEST_HEAD:
            raise BackboneError(
                f"{len(self.shards):,} shards are too many for one bundle",
                hint="Merge them with `headstart features compact`.",
            )
        try:
            BundleHead.read(content, HEAD)
        except WrongField as error:
            raise BackboneError(f"this backbone cannot be bundled: {error}") from error
        return content

    @property
    def model(self) -> str:
        """Name of the member that is the model."""
        return self.backbone["artifact"]

    def check_members(self, members: Sequence[zipfile.ZipInfo], size: int) -> None:
        """Compare the members of the archive with what the head lists.

        The writer compresses nothing, so that a member is as large as its bytes in the archive:
        what is compressed, listed twice or larger in sum than the archive would unpack to more
        than was handed over. https://www.usenix.org/conference/woot19/presentation/fifield

        Args:
            members: of the archive.
            size: of the archive, bytes.

        Raises:
            WrongField: a member is missing, not listed, twice, compressed or too large.
        """
        limits: dict[str, int] = {HEAD: LARGEST_HEAD, self.model: size}
        limits |= {f"parts/{digest}": LARGEST_PART for digest in self.parts}
        limits |= {shard.name: shard.size for shard in self.shards}
        _refuse_twice([f"parts/{digest}" for digest in self.parts])
        _refuse_twice([shard.name for shard in self.shards])
        _refuse_twice([member.filename for member in members])
        found = {member.filename for member in members}
        for name in limits.keys() - found:
            raise WrongField(f"it lists {name!r} and does not hold it")
        for member in members:
            if member.filename not in limits:
                raise WrongField(f"it holds {member.filename[:100]!r}, which it does not list")
            _check_size(member, limits[member.filename])
        if sum(member.file_size for member in members) > size:
            raise WrongField("its members are larger in sum than the file itself")
        sizes = {member.filename: member.file_size for member in members}
        for shard in self.shards:
            held = sizes[shard.name]
            if held != shard.size:
                raise WrongField(f"{shard.name} has {held:,} bytes, it lists {shard.size:,}")


def _check_size(member: zipfile.ZipInfo, limit: int) -> None:
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise WrongField(
            f"{member.filename!r} is compressed or encrypted; bundles hold plain files"
        )
    if member.file_size != member.compress_size or member.file_size > limit:
        raise WrongField(
            f"{member.filename!r} has {member.file_size:,} bytes; it may have {limit:,}"
        )


def _refuse_twice(names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise WrongField(f"{name[:100]!r} is there twice")


def _refuse_other_formats(head: Any, where: str) -> None:
    """Say it where the bundle is of another version, before its fields are looked at."""
    if not isinstance(head, dict):
        raise fields.refuse(head, HEAD, "an object")
    form, version = head.get("format"), head.get("version")
    is_known = form == FORMAT and version == VERSION and not isinstance(version, bool)
    if not is_known and isinstance(form, str) and isinstance(version, int):
        raise BackboneError(
            f"{where} has the format {form[:40]} {version}; this code reads {FORMAT} {VERSION}",
            hint="Upgrade headstart if it was written by a newer one.",
        )
