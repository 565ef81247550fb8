"""Texts from outside, shown so that they can do nothing to a terminal, a page or a reader.

A name, a label or a licence may hold escape sequences that recolour, retitle or clear a terminal,
and marks that turn the order of what is read (CVE-2021-42574). They are printed as what they are.
"""

from __future__ import annotations

import re

ADDRESS = re.compile(r"<(?:\w+\.)*(\w+) object at 0x[0-9a-fA-F]+>")
"""How Python writes an object that says nothing of itself."""
STREAMS = re.compile(r" ?<_io\.\w+[^<>]*>")
"""What libraries write for content that was handed to them in memory."""
CONTROLS = (
    *range(0x20),  # C0
    *range(0x7F, 0xA0),  # DEL and C1
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),  # separators of lines and paragraphs; bidirectional embeddings
    *range(0x2066, 0x206A),  # bidirectional isolates
    *range(0xD800, 0xE000),  # lone surrogates: bytes of a file name that are no text
)


def _shown(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


LONGEST, HEAD, TAIL = 8000, 5000, 1000
"""Letters of a message; a path has 4,096 at most."""
TABLE = {code: _shown(code) for code in CONTROLS}
LINES = {code: shown for code, shown in TABLE.items() if chr(code) not in "\n\t"}
JSON = {code: f"\\u{code:04x}" for code in CONTROLS if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """The text on one line, with its control characters written out, such as `\\x1b`."""
    return text.translate(TABLE)


def shortened(text: str) -> str:
    """A message without what no reader wants, as where a name in a file has a million letters: its
    beginning and its end, with what to do next, and how much is left out."""
    if len(text) <= LONGEST:
        return text
    left = len(text) - HEAD - TAIL
    return f"{text[:HEAD]}… ({left:,} letters) …{text[-TAIL:]}"


def visible_lines(text: str) -> str:
    """The same for a text that may have several lines."""
    return text.translate(LINES)


def visible_json(text: str) -> str:
    """A JSON document of the same value without one raw control character.

    They only occur within its strings, where JSON has escapes for them.
    """
    return text.translate(JSON)


def without_addresses(text: str) -> str:
    """A message without the objects that Python could only give an address for: those that say
    nothing of themselves are called by their class, streams are left out."""
    return ADDRESS.sub(r"a \1", STREAMS.sub("", text)) if " at 0x" in text else text


ONE = re.compile(
    r"(^|(?<=[ (]))1 ((?:(?!as |of |in |to |at )[a-z]+ )?)"
    r"(backbone|byte|column|correction|dataset|file|group|head|job|label"
    r"|line|picture|row|sample|set|shard|text|window|worker)s\b( (?:are|were|have)\b)?"
)
"""What is counted, of which there is one, and the verb behind it."""
VERBS = {" are": " is", " were": " was", " have": " has"}


def in_number(text: str) -> str:
    """A message in which one is one: `1 samples are` becomes `1 sample is`.

    Counts stand in a hundred messages; what is in quotes, or a part of a path, is left as it is.
    """
    return ONE.sub(lambda m: f"{m[1]}1 {m[2]}{m[3]}{VERBS.get(m[4], '')}", text)
