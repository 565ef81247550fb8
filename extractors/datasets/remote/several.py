"""Several objects that one address names: a folder of a store, or `shards-{000..099}.tar`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import NamedTuple

from headstart.errors import DatasetError, SampleChanged, SourceGone
from headstart.extractors.datasets.places import is_called_folder
from headstart.extractors.datasets.remote.addresses import Address, parse
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.shard_names import BRACES, MOST, check_count, unbraced
from headstart.extractors.datasets.sources.trees import RemoteTree

WILD = re.compile(r"[*?\[]")


class Several(NamedTuple):
    """One of several objects.

    Attributes:
        name: its path below the folder that all lie in.
        address: of it.
        size: bytes, 0 where the server does not say.
        stat: by what its change is seen; empty where the server does not say.
    """

    name: str
    address: Address
    size: int
    stat: tuple[int, ...]


def is_pattern(address: Address) -> bool:
    """Whether it names several objects, as `*`, `?`, `[…]` and `{000..099}` do."""
    return bool(WILD.search(address.key) or BRACES.search(address.key))


def is_several(text: str) -> bool:
    """Whether an address names several objects, by how it is called."""
    return is_pattern(parse(text)) or is_called_folder(text)


def folder_of(address: Address) -> Address:
    """The folder in which all lie that an address names."""
    signs = (found for one in (WILD, BRACES) if (found := one.search(address.key)))
    first = min((found.start() for found in signs), default=None)
    if first is None:
        return address.below(address.key.rstrip("/"))
    return address.below(address.key[:first].rpartition("/")[0])


def base_of(text: str) -> str:
    """The address that paths in what was fetched from an address are relative to, as `joined` takes
    it: the file's, or that of the folder of several with `/` at its end."""
    if not is_several(text):
        return text
    folder = str(folder_of(parse(text)))
    return folder if folder.endswith("/") else f"{folder}/"


def objects_at(address: Address, objects: Objects) -> list[Several]:
    """All objects that an address names: those of a folder at any depth; those of braces in their
    order, those of wildcards in that of their keys. What is hidden, or lies in what is, below the
    folder in which all lie is none: nothing reads it in a folder here.

    Raises:
        SourceGone: there are none, or one of braces is not there, or nothing is given.
        DatasetError: a pattern names too many, or has wildcards and lies on the web.
    """
    every = _of_pattern(address, objects) if is_pattern(address) else _in(address, objects)
    found = [one for one in every if not one.name.startswith(".") and "/." not in one.name]
    if not found:
        raise SourceGone(
            f"there are no objects {address}", hint="Check the address; it is case-sensitive."
        )
    return list({one.name: one for one in found}.values())


def stamp_of(found: Sequence[Several]) -> tuple[int, ...]:
    """What changes when one of some objects does, or when there are others; empty where the server
    does not say it of one."""
    if not all(one.stat for one in found):
        return ()
    content = hashlib.sha256("\n".join(f"{one.name} {one.stat}" for one in found).encode())
    total = sum(one.size for one in found)
    return (len(found), total, int.from_bytes(content.digest()[:7]))


def _in(folder: Address, objects: Objects) -> Iterator[Several]:
    tree = RemoteTree(str(folder), objects)
    tree.check()
    for file in tree.below(tree.root, {""}):
        address, stat = parse(file.path), tree.stat(file)
        yield Several(file.path[tree.above :], address, stat[0] if stat else 0, stat)


def _of_pattern(address: Address, objects: Objects) -> Iterator[Several]:
    above = folder_of(address).key
    start = len(above) + 1 if above else 0
    keys = unbraced(address.key)
    wild = [key for key in keys if WILD.search(key)]
    if wild and address.is_web:
        raise DatasetError(
            f"{address}: the web lists nothing, so *, ? and […] name nothing there",
            hint="Number the files, as in shards-{000..099}.tar; or add them from a bucket.",
        )
    for key in wild:
        found = list(islice(_matching(address.below(key), objects), MOST + 1))
        check_count(found, str(address))
        found.sort(key=lambda one: one.address.key)
        yield from (Several(one.address.key[start:], *one[1:]) for one in found)
    named = [address.below(key) for key in keys if key not in wild]
    for one, stat in _stats(named, objects):
        yield Several(one.key[start:], one, stat[0] if stat else 0, stat)


def _matching(pattern: Address, objects: Objects) -> Iterator[Several]:
    """The objects of wildcards, none of which stands for a `/`."""
    if "**" in pattern.key:
        raise DatasetError(f"{pattern}: ** names nothing", hint="Name the folder above it.")
    folder = folder_of(pattern)
    start = len(folder.key) + 1 if folder.key else 0
    return _matching_in(folder, pattern.key[start:].split("/"), objects)


def _matching_in(folder: Address, steps: Sequence[str], objects: Objects) -> Iterator[Several]:
    """The objects in a folder that match steps; of other folders nothing is asked."""
    folders, files = objects.inside(folder)
    if len(steps) == 1:
        for one in files:
            if _matches(address := folder.below(one.key), steps[0]):
                yield Several(one.key, address, one.size, one.stat)
        return
    for below in folders:
        if _matches(below, steps[0]):
            yield from _matching_in(below, steps[1:], objects)


def _matches(address: Address, step: str) -> bool:
    return fnmatchcase(address.name, step) and not address.name.startswith(".")


def _stats(named: Sequence[Address], objects: Objects) -> Iterator[tuple[Address, tuple[int, ...]]]:
    """What is known of objects, of which many are asked for at once.

    Raises:
        SourceGone: one is not there.
    """
    for one, stat in ahead(named, objects.stat, lambda _: True):
        try:
            yield one, stat()
        except SampleChanged as error:
            raise SourceGone(
                f"{error.message}, one of {len(named):,} that are named",
                hint="Fix the numbers, or take * for those that are there (in a bucket).",
            ) from error
