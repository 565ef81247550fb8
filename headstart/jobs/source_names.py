"""Names for what is registered because its source was given where a name is wanted."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import PurePath

from headstart.paths import NAME

LONGEST = 60
"""Characters of a name that is made of a source."""
SUFFIX = re.compile(r"(\.(tar|csv|tsv|jsonl|json))?\.[A-Za-z][A-Za-z0-9]{0,11}$")
"""Behind the name of a file, with what lies below a `.gz`."""


REFERENCE = re.compile(rf"({NAME.pattern})(:\d+)?(@[^@]*)?")
"""A name, perhaps with a version and cuts, that cannot be a path or an address."""


def is_name_alone(given: object) -> bool:
    """Whether it can only be the name of what is registered: no file here is called so."""
    if not isinstance(given, str) or REFERENCE.fullmatch(given) is None:
        return False
    return not any(map(os.path.lexists, (given, given.partition("@")[0])))


def name_of(source: str, otherwise: str, *, is_file: bool) -> str:
    """A name that says which source it is: `photos` of `photos/`, `vgg16` of `applications:VGG16`.

    Args:
        source: a path, or an address.
        otherwise: where nothing of the source can stand in a name.
        is_file: whether it ends in a suffix, which is left out.
    """
    last = PurePath(source.partition("?")[0].rstrip("/\\")).name
    is_address = ":" in last or "/" not in source
    last = last.rpartition(":")[2] if is_address else last
    plain = SUFFIX.sub("", last) if is_file and not source.endswith("/") else last
    spelled = unicodedata.normalize("NFKD", plain or last).encode("ascii", "ignore").decode()
    words = re.sub(r"-*[^A-Za-z0-9._-]+-*", "-", spelled).strip("._-")[:LONGEST].rstrip("._-")
    return words or otherwise


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or the first of `NAME-2`, `NAME-3`… that nothing else has."""
    return next(one for one in _names(name) if not is_taken(one))


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))
