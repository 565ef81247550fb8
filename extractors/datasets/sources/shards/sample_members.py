"""The members of a WebDataset's samples: which is the sample, which its label."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.rows import to_label
from headstart.extractors.datasets.sources.folders import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
)
from headstart.extractors.datasets.sources.shards.ranges import Range
from headstart.extractors.datasets.sources.shards.tar_headers import members_of
from headstart.extractors.datasets.sources.tables.columns import (
    LABEL_COLUMNS,
    UNLABELLED,
    label_in,
)
from headstart.storage.manifest import Label

CONTENTS = (IMAGE_SUFFIXES, AUDIO_SUFFIXES, TEXT_SUFFIXES)
"""What samples may be; the first of which any sample has one."""
OF_LABELS = ("cls", "cls.txt")
"""Extensions of labels. A `.txt` beside a picture is what it shows in words, which is no class."""
JSON = "json"
LOOKED_AT = 100
"""Samples by which it is told what all samples of a dataset hold."""
LARGEST_LABEL, LARGEST_JSON = 1 << 12, 1 << 24
"""Bytes that are read."""
OR_SKIP = "Fix it, or leave such samples out with --on-error skip."


class Sample(NamedTuple):
    """The members of one sample, by their extension: all behind the first dot of the name.

    Attributes:
        file: the tar.
        key: what it is called.
        members: the first of each extension.
        again: the extensions of those that come again.
    """

    file: Path
    key: str
    members: dict[str, Range]
    again: list[str]

    @property
    def where(self) -> str:
        """Where it is, for messages."""
        return f"{self.file}, sample {self.key!r}"


def samples_in(file: Path) -> Iterator[Sample]:
    """The samples of a tar, one after the other.

    Raises:
        DatasetError: as `members_of`; a sample has members at two places.
    """
    keys: set[str] = set()
    sample: Sample | None = None
    for member in members_of(file):
        key, extension = _parted(member.name)
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = Sample(file, key, {}, [])
            _check_once(sample, keys)
        if extension in sample.members:
            sample.again.append(extension)
            continue
        sample.members[extension] = Range(file, member.offset, member.size)
    if sample is not None:
        yield sample


def _parted(name: str) -> tuple[str, str]:
    """The key and the extension: `a/b.seg.png` is `a/b` and `seg.png`, by the first dot behind the
    last slash, as WebDataset has it."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    key, _, extension = base.partition(".")
    return f"{folder}{slash}{key}", extension.lower()


def _check_once(sample: Sample, keys: set[str]) -> None:
    if sample.key in keys:
        raise DatasetError(
            f"{sample.where}: its members lie at two places of the tar",
            hint="Make it again with `tar --sort=name -cf`: those of a sample stand together.",
        )
    keys.add(sample.key)


@dataclass
class Members:
    """Which members samples are made of.

    Attributes:
        content: the extension of the sample; None where samples have one of several formats.
        suffixes: of the kind of content.
        label: the extension of the label; None if there are no labels.
        field: of a JSON member, in which the label is.
        may_be_label: extensions that would be labels, had they been where they were looked for.
        dots: in the extensions of samples, where `content` is None: `seg.png` is a part beside one.
        formats: the extensions that the first samples are of, where `content` is None.
        unused: what nothing was taken from, with the number of samples that have it.
    """

    content: str | None
    suffixes: set[str]
    label: str | None = None
    field: str | None = None
    may_be_label: Sequence[str] = ()
    dots: int = 0
    formats: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.unused: Counter[str] = Counter()

    def content_of(self, sample: Sample) -> str:
        """The extension of the member that is the sample.

        Raises:
            DatasetError: it has none, or several, or two of any name.
        """
        if sample.again:
            name = sample.again[0]
            raise DatasetError(f"{sample.where}: it has two members {name!r}", hint=OR_SKIP)
        found = self.may_be_content(sample)
        if len(found) > 1:
            found = [one for one in found if one in self.formats] or found
        if len(found) > 1:
            raise _several(sample.where, found)
        if found:
            return found[0]
        wanted = self.content or " or ".join(sorted(one[1:] for one in self.suffixes))
        raise DatasetError(
            f"{sample.where} has no member {wanted}, but {', '.join(sample.members) or 'none'}",
            hint="--member says which member samples are; --on-error skip leaves this one out.",
        )

    def may_be_content(self, sample: Sample) -> list[str]:
        """The extensions of a sample's members that may be the sample."""
        if self.content is not None:
            return [self.content] if self.content in sample.members else []
        return [
            one
            for one in _of_kind(sample.members, self.suffixes, self.label)
            if one.count(".") == self.dots
        ]

    def label_of(self, sample: Sample) -> Label | None:
        """The label of a sample.

        Raises:
            DatasetError: it has none, though others have, or the other way round.
        """
        if self.label is None:
            found = next((one for one in self.may_be_label if one in sample.members), None)
            if found is not None:
                raise DatasetError(
                    f"{sample.where} has a label, {found}, unlike the first {LOOKED_AT} samples",
                    hint="Say --label-column none, if labels are not to be read.",
                )
            return None
        if self.label not in sample.members:
            raise DatasetError(f"{sample.where} has no member {self.label}", hint=OR_SKIP)
        if self.field is None:
            return _label_in_text(sample, self.label)
        row = fields_of(sample, self.label)
        self.unused.update(f"field {one!r} of .json" for one in row if one != self.field)
        return _label_in_field(row, self.field, sample.where)

    def count_unused(self, sample: Sample, content: str) -> None:
        """Count the members that nothing is taken from."""
        used = (content, self.label)
        self.unused.update(f"member .{one}" for one in sample.members if one not in used)


def members_for(samples: Sequence[Sample], member: str | None, label: str | None) -> Members:
    """What samples are made of, by the first of them.

    Args:
        samples: some.
        member: the extension of the sample, if somebody said it.
        label: the extension of the label or the field of the JSON member, or `none`, likewise.

    Raises:
        DatasetError: none of them has what was said.
    """
    known = list(dict.fromkeys(one for sample in samples for one in sample.members))
    content = None if member is None else member.lower().lstrip(".")
    if content is not None and content not in known:
        raise DatasetError(
            f"{samples[0].where}: no sample has a member {content!r}; there are {', '.join(known)}"
        )
    extension, field = (None, None) if label == UNLABELLED else _label_in(samples, known, label)
    endings = [f".{one}" for one in known if one != extension and one not in OF_LABELS]
    suffixes = next(
        (kind for kind in CONTENTS if any(one.endswith(tuple(kind)) for one in endings)),
        CONTENTS[0],
    )
    dots = min((one.count(".") for one in _of_kind(known, suffixes, extension)), default=0)
    may_be_label = OF_LABELS if label is None and not extension else ()
    members = Members(content, suffixes, extension, field, may_be_label, dots)
    found = [few for sample in samples if (few := members.may_be_content(sample))]
    members.content = content or _content_of_all(found, samples[0].file)
    members.formats = frozenset(one for few in found for one in few)
    return members


def _of_kind(extensions: Iterable[str], suffixes: set[str], label: str | None) -> list[str]:
    """Those extensions that are of a kind of content, and of no label."""
    found = [one for one in extensions if f".{one}".endswith(tuple(suffixes))]
    return [one for one in found if one != label and one not in OF_LABELS]


def _content_of_all(found: Sequence[Sequence[str]], file: Path) -> str | None:
    """The extension that is the sample where samples have several that may be; the one that all
    of them have. None where each has one, of whatever format.

    Args:
        found: of each sample, those that may be.
        file: for messages.

    Raises:
        DatasetError: there is no such one, or there are several: a picture and its mask are not
            told apart by the order in a tar.
    """
    several = next((few for few in found if len(few) > 1), None)
    if several is None:
        return None
    of_all = [one for one in several if all(one in few for few in found)]
    if len(of_all) != 1:
        raise _several(f"{file}: a sample", several)
    return of_all[0]


def _several(where: str, found: Sequence[str]) -> DatasetError:
    return DatasetError(
        f"{where} has several members that may be the sample: {' or '.join(sorted(found))}",
        hint=f"Say which it is: {' or '.join(f'--member {one}' for one in sorted(found))}.",
    )


def _label_in(
    samples: Sequence[Sample], known: Sequence[str], given: str | None
) -> tuple[str | None, str | None]:
    """The extension of the labels and, of a JSON member, the field; None where there are none."""
    wanted = OF_LABELS if given is None else (given.lower().lstrip("."),)
    for extension in wanted:
        if extension in known and extension != JSON:
            return extension, None
    fields = _fields_in([one for one in samples if JSON in one.members])
    for field in LABEL_COLUMNS if given is None else (given,):
        if field in fields:
            return JSON, field
    if given is None:
        return None, None
    raise DatasetError(
        f"{samples[0].where}: no label {given!r}; members are {', '.join(known)}"
        f"{', fields of .json ' if fields else ''}{', '.join(fields)}",
        hint="--label-column names a member or a field; none if there are no labels.",
    )


def _fields_in(samples: Sequence[Sample]) -> list[str]:
    """The names of the fields of JSON members. One that is no JSON has none: that is said where it
    is read, and can be skipped there.

    Raises:
        DatasetError: none of them is JSON.
    """
    fields: dict[str, None] = {}
    wrong: list[DatasetError] = []
    for sample in samples:
        try:
            fields |= dict.fromkeys(fields_of(sample, JSON))
        except DatasetError as error:
            wrong.append(error)
    if samples and len(wrong) == len(samples):
        raise wrong[0]
    return list(fields)


def fields_of(sample: Sample, extension: str) -> dict[str, Any]:
    """The fields of a JSON member.

    Raises:
        DatasetError: it is no JSON object, or too large.
    """
    try:
        found = json.loads(_small(sample, extension, LARGEST_JSON))
    except RecursionError:
        raise DatasetError(
            f"{sample.where}: its .json is nested too deeply", hint=OR_SKIP
        ) from None
    except ValueError as error:
        raise DatasetError(
            f"{sample.where}: its .json is none ({first_line(error)})", hint=OR_SKIP
        ) from error
    if not isinstance(found, dict):
        raise DatasetError(f"{sample.where}: its .json is no object", hint=OR_SKIP)
    return found


def _label_in_text(sample: Sample, extension: str) -> Label:
    """A number, or the name of a class, in a member of its own."""
    try:
        text = _small(sample, extension, LARGEST_LABEL).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise DatasetError(f"{sample.where}: its .{extension} is no text", hint=OR_SKIP) from None
    if "\n" in text:
        raise DatasetError(f"{sample.where}: its .{extension} has several lines", hint=OR_SKIP)
    return number_or_name(text, sample.where)


def number_or_name(text: str, where: str) -> Label:
    """A label that is written out: digits are a number.

    Raises:
        DatasetError: it is empty.
    """
    is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19
    return to_label(int(text) if is_number else text, where)


def _label_in_field(row: dict[str, Any], field: str, where: str) -> Label | None:
    if isinstance(row.get(field), list):
        return label_in(row, (field,), where)
    if isinstance(row.get(field), str | int | float):
        return to_label(row[field], where)
    raise DatasetError(f"{where}: no label in the field {field!r} of .json", hint=OR_SKIP)


def _small(sample: Sample, extension: str, most: int) -> bytes:
    found = sample.members[extension]
    if found.size > most:
        raise DatasetError(
            f"{sample.where}: its .{extension} has {found.size:,} bytes, more than {most:,}",
            hint=OR_SKIP,
        )
    return found.read()
