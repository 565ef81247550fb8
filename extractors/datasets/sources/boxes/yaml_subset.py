"""The part of YAML that a `data.yaml` of YOLO is written in: texts, numbers, lists, maps of them.

A reader of all YAML would bring its anchors, tags and types along; what is not understood here is
an error that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headstart.errors import DatasetError

KEY = re.compile(r"""(?s)(?P<key>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*')\s*:(?=\s|$)\s*(?P<rest>.*)""")
QUOTED = re.compile(r"""'((?:[^']|'')*)'|"([^"\\]*)\"""")
COMMENT = re.compile(r"(^|\s)#.*$")
SPECIAL = ("&", "*", "!", "|", ">", "%", "@", "`", "{", "[", "]", "}")
"""Signs at which no plain text begins."""


def parse(text: str, wanted: Sequence[str], where: str) -> tuple[dict[str, Any], list[str]]:
    """The members of a YAML file that are wanted, and the names of the others.

    Args:
        text: of the file.
        wanted: names at its top.
        where: for messages.

    Returns:
        Each as a text, a list of texts, or a map of texts to texts.

    Raises:
        DatasetError: it is not understood.
    """
    found: dict[str, Any] = {}
    others = []
    for key, number, lines in _blocks(text, where):
        if key not in wanted:
            others.append(key)
            continue
        if key in found:
            raise DatasetError(f"{where}, line {number}: {key!r} occurs twice")
        found[key] = _value(lines, f"{where}, line {number}")
    return found, others


def _blocks(text: str, where: str) -> list[tuple[str, int, list[str]]]:
    """The members at the top: name, line, and the lines of each, what is behind the colon first."""
    blocks: list[tuple[str, int, list[str]]] = []
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if len(raw.splitlines()) > 1:  # at signs that end no line here, and are no plain text
            raise DatasetError(f"{where}, line {number}: not understood: {raw[:80]!r}")
        line = _without_comment(raw).rstrip()
        if not line or line == "---":
            continue
        if line[0] in " -]}" and blocks:
            blocks[-1][2].append(line)
            continue
        key = KEY.fullmatch(line)
        if key is None:
            raise DatasetError(f"{where}, line {number}: not understood: {line[:80]!r}")
        blocks.append((_plain(key["key"], where), number, [key["rest"]]))
    return blocks


def _without_comment(line: str) -> str:
    """A line up to its comment; a `#` in quotes begins none."""
    found = COMMENT.search(QUOTED.sub(lambda one: "x" * len(one[0]), line))
    return line if found is None else line[: found.start()]


def _value(lines: list[str], where: str) -> Any:
    first, rest = lines[0].strip(), [one.strip() for one in lines[1:]]
    if first.startswith(("[", "{")):
        return _inline(" ".join([first, *rest]), where)
    if first and rest:
        raise DatasetError(f"{where}: not understood: {rest[0][:80]!r}")
    if first or not rest:
        return _plain(first, where)
    if all(one.startswith("- ") for one in rest):
        return [_plain(one[2:].strip(), where) for one in rest]
    return _map(rest, where)


def _inline(text: str, where: str) -> Any:
    ends = {"[": "]", "{": "}"}
    if not text.endswith(ends[text[0]]):
        raise DatasetError(f"{where}: not understood: {text[:80]!r}")
    parts = _parts(text[1:-1])
    if not parts[-1]:  # behind the last comma, or of nothing at all
        parts.pop()
    if "" in parts or text[1:-1].strip() == ",":
        raise DatasetError(f"{where}: a text is missing in {text[:80]!r}")
    if text[0] == "[":
        return [_plain(one, where) for one in parts]
    return _map(parts, where)


def _parts(text: str) -> list[str]:
    """What stands between commas that are in no quotes."""
    hidden = QUOTED.sub(lambda one: "x" * len(one[0]), text)
    ends = [place for place, sign in enumerate(hidden) if sign == ","] + [len(text)]
    starts = [0, *(place + 1 for place in ends[:-1])]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _map(lines: list[str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key = KEY.fullmatch(line)
        if key is None:
            raise DatasetError(f"{where}: not understood: {line[:80]!r}")
        name = _plain(key["key"], where)
        if name in found:
            raise DatasetError(f"{where}: {name!r} occurs twice")
        found[name] = _plain(key["rest"].strip(), where)
    return found


def _plain(text: str, where: str) -> str:
    """A text without its quotes."""
    quoted = QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1].replace("''", "'") if quoted[1] is not None else quoted[2]
    if text.startswith((*SPECIAL, "'", '"')) or (KEY.fullmatch(text) and ": " in text):
        raise DatasetError(
            f"{where}: not understood: {text[:80]!r}",
            hint="Write texts, lists and maps of them; put others into quotes.",
        )
    return text
