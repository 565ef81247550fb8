"""A head in a file of its own: a zip of what is recorded of it and of its weights."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import FileMissing, HeadError, first_line
from headstart.extractors.datasets.sources.numpy_files import DAMAGE
from headstart.fields import (
    Field,
    WrongField,
    anything,
    digest,
    either,
    known,
    matching,
    moment,
    one_of,
    read_json,
)
from headstart.jobs.heads.care.head_record import checked_facts
from headstart.paths import NAME
from headstart.storage.files import written_aside
from headstart.storage.keys import digest_of_bytes
from headstart.values.showable import brief, spelled

FORMAT, VERSION = "headstart.head", 1
RECORD, WEIGHTS, TOKENIZER = "head.json", "weights.npz", "tokenizer.part"
LARGEST = 1 << 30
"""Bytes of a member: a head of a thousand classes on 100,000 numbers has 400 MB."""
HINT = "Give a file that `headstart head export` wrote."


@dataclass(frozen=True)
class HeadBundle:
    """What such a file holds.

    Attributes:
        record: the head's fields, but for those that are another in each workspace.
        origin: from which workspace it comes: its UUID, the head's name there, when it was trained,
            and by whom and when it was written.
        weights: the content of its artifact.
        tokenizer: by which texts were cut into windows; None where they were not.
    """

    record: Mapping[str, Any]
    origin: Mapping[str, str]
    weights: bytes
    tokenizer: bytes | None = None

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        told = {
            "format": FORMAT,
            "version": VERSION,
            "head": self.record,
            "origin": self.origin,
            "sha256": {name: digest_of_bytes(one) for name, one in self._members()},
        }
        with (
            written_aside(path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            archive.writestr(RECORD, json.dumps(spelled(told), indent=1, ensure_ascii=False))
            for name, content in self._members():
                archive.writestr(name, content, zipfile.ZIP_STORED)

    def _members(self) -> list[tuple[str, bytes]]:
        more = [] if self.tokenizer is None else [(TOKENIZER, self.tokenizer)]
        return [(WEIGHTS, self.weights), *more]

    @staticmethod
    def read(path: Path) -> HeadBundle:
        """Read such a file; nothing in it is believed but what its sha256 says.

        Raises:
            FileMissing: there is none.
            HeadError: it is another file, damaged, or was written by newer code.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                _check_members(archive)
                told = _told(read_json(_member(archive, RECORD), RECORD))
                found = {name: _member(archive, name) for name in told["sha256"] if name in KNOWN}
            for name, content in found.items():
                if digest_of_bytes(content) != told["sha256"][name]:
                    raise WrongField(f"{name} has another sha256")
            facts = checked_facts(told["head"])
            return HeadBundle(facts, told["origin"], found[WEIGHTS], found.get(TOKENIZER))
        except FileNotFoundError:
            raise FileMissing(f"no file {path}", hint="Check the path.") from None
        except WrongField as error:
            raise HeadError(f"cannot read {path} as a head: {error}", hint=HINT) from error
        except (TypeError, LookupError, AttributeError, *DAMAGE) as error:
            what = first_line(error).partition(": ")[2] or "it is damaged"
            raise HeadError(f"cannot read {path} as a head: {what}", hint=HINT) from error


KNOWN = (WEIGHTS, TOKENIZER)
SAID = matching(re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}"), "a line of at most 200 characters")
VERSIONED = matching(re.compile(rf"{NAME.pattern}:\d{{1,9}}"), "a head, NAME:VERSION")
ORIGIN: dict[str, Field] = {
    **{"workspace": SAID, "head": VERSIONED, "trained": either(one_of("?"), moment), "by": SAID},
    "exported": moment,
}
TOLD: dict[str, Field] = {
    **{"format": anything, "version": anything, "head": known({})},
    **{"origin": known(ORIGIN, ORIGIN), "sha256": known({WEIGHTS: digest, TOKENIZER: digest})},
}


def _told(found: Any) -> Mapping[str, Any]:
    """What `head.json` says, of this format."""
    told = known({}, ("format", "version"))(found, RECORD)
    if (told["format"], told["version"]) != (FORMAT, VERSION):
        what = f"{brief(told['format'])} {brief(told['version'])}".replace("'", "")
        raise WrongField(f"it is {what}, this code reads {FORMAT} {VERSION}")
    for name, field in TOLD.items():
        if name not in told:
            raise WrongField(f"{RECORD} has no field {name!r}")
        field(told[name], name)
    return told


def _check_members(archive: zipfile.ZipFile) -> None:
    """See that nothing else came along: nothing of it is used, and whoever unpacks the file by
    another program may be harmed by it."""
    names = [one.filename for one in archive.infolist()]
    for place, name in enumerate(names):
        if name not in (RECORD, *KNOWN):
            raise WrongField(f"it has a member {name[:200]!r}, which is no part of a head's file")
        if name in names[:place]:
            raise WrongField(f"it has {name} twice")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a member that says truly how large it is."""
    with archive.open(name) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise WrongField(f"{name} is larger than {LARGEST:,} bytes")
    return content
