"""What is recorded of a head, in the file with its weights: a lost registry gets it from there."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from headstart.errors import HeadError, first_line
from headstart.extractors.datasets.sources.numpy_files import DAMAGE
from headstart.fields import WrongField, read_json
from headstart.heads.layers.archives import RECORD
from headstart.jobs.heads.care.record_fields import check_fields
from headstart.registry.entities import Head as HeadRecord
from headstart.values.showable import brief, spelled

FORMAT, VERSION = "headstart.head-record", 1
LARGEST = 1 << 28
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of the member, so that the same record gives the same bytes."""
OF_ROWS = ("id", "backbone_id", "created_at", "aliases", "tags", "version")
"""What is another in each workspace."""


@dataclass(frozen=True)
class Recorded:
    """A record that a file has.

    Attributes:
        record: the head's fields, but for those that are another in each workspace.
        trained: when, ISO 8601.
    """

    record: Mapping[str, Any]
    trained: str


def facts_of(record: HeadRecord) -> dict[str, Any]:
    """The fields of a record that go with it."""
    told = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: value for name, value in told.items() if name not in OF_ROWS}


def checked_facts(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same from a file.

    Raises:
        ValueError: they are not all of a head, or one is of another type than is declared.
    """
    if set(told) != {one.name for one in fields(HeadRecord)} - {*OF_ROWS}:
        raise WrongField("it does not say all of a head")
    check_fields(told)
    return told


def with_record(content: bytes, record: HeadRecord) -> bytes:
    """An archive of weights with the record; one that has a record, of where it comes from, as it
    is."""
    file = BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        if RECORD in archive.namelist():
            return content
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        told = {"format": FORMAT, "version": VERSION, "trained": now, "head": facts_of(record)}
        told["weights"] = _digest_of(archive)
        text = json.dumps(spelled(told), ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(RECORD, EPOCH), text)
    return file.getvalue()


def find_record(path: Path) -> Recorded | None:
    """The record in a file of weights; None of one that has none, as of before there were any.

    Raises:
        HeadError: it cannot be read.
    """
    return find_record_in(path, str(path))


def find_record_in(file: Path | BytesIO, path: str) -> Recorded | None:
    """The same of a file that may be in memory, with its name."""
    try:
        with zipfile.ZipFile(file) as archive:
            if RECORD not in archive.namelist():
                return None
            with archive.open(RECORD) as member:
                told = read_json(member.read(LARGEST), RECORD)
            _check_head_of(told)
            if told.get("weights", (found := _digest_of(archive))) != found:
                raise WrongField("it is of other weights than those with it")
        return Recorded(checked_facts(told["head"]), str(told["trained"]))
    except WrongField as error:
        raise HeadError(f"cannot read the record in {path}: {error}") from error
    except (TypeError, LookupError, AttributeError, *DAMAGE) as error:
        raise HeadError(f"cannot read the record in {path}: {first_line(error)}") from error


def _check_head_of(told: Any) -> None:
    """See that a record is one, of this version; one before it had a digest of its weights is, too.

    Raises:
        WrongField: it is not.
    """
    for name in ("format", "version", "trained", "head"):
        if not isinstance(told, dict) or name not in told:
            raise WrongField(f"it has no field {name!r}")
    if (told["format"], told["version"]) != (FORMAT, VERSION):
        raise WrongField(f"it is {brief(told['format'])} {brief(told['version'])}")


def _digest_of(archive: zipfile.ZipFile) -> str:
    """Of all members but the record, by their names, sizes and CRCs, which whoever reads them
    compares: a sha256 in hex."""
    members = sorted(
        (one for one in archive.infolist() if one.filename != RECORD), key=lambda one: one.filename
    )
    told = [f"{one.filename}\0{one.file_size}\0{one.CRC}" for one in members]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


STAYS = ("kind", "classes", "seed", "dataset", "dataset_digest", "feature_key")
"""Of a head, what is the same in every workspace; names of backbones are not."""
BY_NAME = ("metrics", "settings")
"""What has values of its own by name, each of which is the same."""
MOVES = ("joined", "members")
"""Of its settings, what names backbones."""


def check_alike(told: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
    """See that a head's fields are those that were recorded with its weights.

    Raises:
        WrongField: one is not.
    """
    pairs = [(name, told[name], recorded[name]) for name in STAYS]
    for field in BY_NAME:
        ours, theirs = told[field], recorded[field]
        pairs += [
            (f"{field}.{name[:60]}", ours.get(name), theirs.get(name))
            for name in dict.fromkeys((*ours, *theirs))
            if name not in MOVES
        ]
    for name, one, other in pairs:
        if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
            said = f"the record with its weights says {brief(other)}"
            raise WrongField(f"{name} is {brief(one)}, and {said}")
