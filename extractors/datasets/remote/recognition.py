"""What at an address is fetched whole before it is read: by its name, or by those in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from headstart.errors import DatasetError, SampleError
from headstart.extractors.datasets.places import is_called_folder
from headstart.extractors.datasets.remote.addresses import Address, is_address, parse
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.remote.several import is_pattern
from headstart.extractors.datasets.rows import find_split
from headstart.extractors.datasets.shard_names import RECORDS, TARS
from headstart.extractors.datasets.sources.folders import AUDIO_SUFFIXES, IMAGE_SUFFIXES

KINDS = {
    "webdataset": TARS,
    "tfrecord": RECORDS,
    "parquet": re.compile(r"(?s).*\.(parquet|arrow|feather)"),
    "arrays": re.compile(r"(?s).*\.(npy|npz)"),
}
"""How files are called that are fetched, by what they are."""
ONE_BY_ONE = ("arrays",)
"""Kinds of which a dataset is one file."""
LOOKED_AT = 1000
"""Names in a folder by which it is told what it holds; stores give so many at once."""
MARKS = {
    "_annotations.coco.json": r"([^/]+/)?_annotations\.coco\.json|annotations/[^/]+\.json",
    "data.yaml": r"data\.yaml",
    "metadata.csv": r"([^/]+/)?metadata\.csv",
    "metadata.jsonl": r"([^/]+/)?metadata\.jsonl",
}
"""Files that say what the others in a folder are: what they are called, and where they lie."""
OPENED = 3
"""Files that are called like a mark of which the first bytes are looked at."""


def kind_by_name(name: str) -> str | None:
    """What a file is that is fetched; None where it is none of these."""
    return next((kind for kind, one in KINDS.items() if one.fullmatch(name.lower())), None)


def is_fetched(source: Any, store_options: Sequence[str] = ()) -> bool:
    """Whether what lies at an address is fetched before it is read; a store is asked about a
    folder.

    Raises:
        SourceGone, DatasetError: the store gives nothing.
    """
    if not is_address(source):
        return False
    address = parse(source)
    kind = kind_by_name(address.key)
    if kind in ONE_BY_ONE and is_pattern(address):
        raise DatasetError(
            f"{address} names several files; arrays are one file",
            hint="Add them one by one, or join them.",
        )
    if kind is not None:
        return True
    if address.is_web or is_pattern(address) or not is_called_folder(source):
        return False
    return _Folder(address, Objects(source, {"store_options": store_options})).is_of_files


class _Folder:
    """A folder of a store, of which the first names are looked at."""

    def __init__(self, address: Address, objects: Objects) -> None:
        self._address, self._objects = address, objects
        key = address.key.rstrip("/")
        self._above = f"{key}/" if key else ""
        self._names = self._listed("")
        if len(self._names) >= LOOKED_AT:  # what says what it is may come late
            self._names += [*self._listed("annotations/"), *self._likely()]

    @property
    def is_of_files(self) -> bool:
        """Whether it holds files of several samples each, or files that say what the others are,
        where each kind of source looks for them."""
        media = (*IMAGE_SUFFIXES, *AUDIO_SUFFIXES)
        if not any(one.lower().endswith(media) for one in self._names):
            return any(_is_shard(one) for one in self._names)
        return any(self._says(one) for one in MARKS) or self._is_of_yolo

    def _listed(self, inside: str) -> list[str]:
        """The first names, with the folders below this one."""
        start = len(self._above)
        found = self._objects.listed(self._address.below(f"{self._above}{inside}"))
        names = (one.key[start:] for one in islice(found, LOOKED_AT))
        return [one for one in names if one and not one.startswith(".")]

    def _likely(self) -> list[str]:
        """Names of files that say what a folder is, which may be there or not."""
        tops = dict.fromkeys(one.partition("/")[0] for one in self._names if "/" in one)
        above = ["", *(f"{one}/" for one in islice(tops, OPENED))]
        return [f"{one}{name}" for name in MARKS for one in above]

    def _says(self, mark: str) -> bool:
        """Whether a file that is called like a mark begins like what it is called."""
        from headstart.extractors.datasets.sources.boxes.coco import is_coco
        from headstart.extractors.datasets.sources.boxes.yolo import is_yolo
        from headstart.extractors.datasets.sources.image_folder import names_files

        reads = {"data.yaml": is_yolo, "metadata.csv": names_files, "metadata.jsonl": names_files}
        called = re.compile(MARKS[mark])
        names = [one for one in dict.fromkeys(self._names) if called.fullmatch(one)]
        return any(reads.get(mark, is_coco)(self._head(one)) for one in names[:OPENED])

    @property
    def _is_of_yolo(self) -> bool:
        """Whether texts lie beside pictures as YOLO's do, without a file that says so."""
        if not any(one.startswith("images/") for one in self._names):
            return False
        texts = self._objects.listed(self._address.below(f"{self._above}labels/"))
        return any(one.key.endswith(".txt") for one in islice(texts, LOOKED_AT))

    def _head(self, name: str) -> bytes:
        from headstart.extractors.datasets.sources.boxes.coco import HEAD

        try:
            return self._objects.head(self._address.below(f"{self._above}{name}"), HEAD)
        except SampleError:
            return b""


def _is_shard(name: str) -> bool:
    *above, last = name.split("/")
    kind = kind_by_name(last)
    is_near = not above or (len(above) == 1 and (find_split(above[0]) or kind == "parquet"))
    return kind is not None and kind not in ONE_BY_ONE and bool(is_near)
