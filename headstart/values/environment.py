"""The packages of this environment, as a file that pip installs the same from."""

from __future__ import annotations

import functools
import re

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@functools.cache
def locked() -> tuple[str, ...]:
    """`NAME==VERSION` of each package that is installed, in order
    (https://pip.pypa.io/en/stable/reference/requirements-file-format/); those whose metadata name
    neither plainly are left out."""
    from importlib.metadata import distributions

    found = dict[str, str]()
    for one in distributions():
        name, version = one.name or "", one.version or ""
        if PLAIN.fullmatch(name) and re.fullmatch(r"[\w.!+-]+", version):
            found.setdefault(name.lower().replace("_", "-"), version)  # the first is imported
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))
