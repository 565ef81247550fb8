"""TensorFlow Datasets: a folder that it has prepared, or `tfds:NAME`, which it prepares."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.named_files import is_there
from headstart.extractors.datasets.options import (
    GROUP_COLUMN,
    GROUP_PATTERN,
    ID_COLUMN,
    LABEL_COLUMN,
    WEIGHT_COLUMN,
)
from headstart.extractors.datasets.rows import find_split
from headstart.extractors.datasets.shard_names import stamp_of
from headstart.extractors.datasets.source import NO, SURE, Option
from headstart.extractors.datasets.sources.shards.feature_spec import Roles
from headstart.extractors.datasets.sources.shards.tfds_info import (
    FEATURES_FILE,
    INFO,
    NAMES,
    Info,
    Split,
    read_info,
    roles_in,
)
from headstart.extractors.datasets.sources.shards.tfrecord import Shard, TFRecordSource
from headstart.extractors.datasets.sources.shards.webdataset import MEMBER
from headstart.extractors.datasets.split_rule import is_unsettled
from headstart.notices import tell
from headstart.paths import inside

PREFIX = "tfds:"
ADDRESS = re.compile(
    r"tfds:(?P<name>[a-z][a-z0-9_]{0,99})(/(?P<config>[A-Za-z0-9][A-Za-z0-9_.-]{0,99}))?"
    r"(:(?P<version>\d+\.\d+\.\d+))?(:(?P<split>[A-Za-z][A-Za-z0-9_]*))?"
)
VERSION = re.compile(r"\d+\.\d+\.\d+")
USUAL = "~/tensorflow_datasets"
DATA_DIR = Option(
    "data_dir",
    "Where TensorFlow Datasets keeps what it prepared: $TFDS_DATA_DIR or ~/tensorflow_datasets.",
    takes="folder",
    metavar="DIR",
)


class TfdsSource(TFRecordSource):
    """Records that TensorFlow Datasets has prepared; see `DatasetSource`.

    A picture is the bytes that were put in, so that its digest is that of its file.
    """

    kind: ClassVar[str] = "tfds"
    what: ClassVar[str] = "tfds:NAME, or a folder that TensorFlow Datasets has prepared"
    options: ClassVar[tuple[Option, ...]] = (
        MEMBER,
        LABEL_COLUMN,
        ID_COLUMN,
        GROUP_COLUMN,
        GROUP_PATTERN,
        WEIGHT_COLUMN,
        DATA_DIR,
    )

    @staticmethod
    def recognise(source: str) -> float:
        if source.startswith(PREFIX):
            return SURE
        path = Path(source)
        return SURE if is_there(path / INFO) and is_there(path / FEATURES_FILE) else NO

    def stamp(self) -> tuple[int, ...]:
        about = sorted(self._folder.glob("*.json")) + sorted(self._folder.glob(f"*{NAMES}"))
        return stamp_of([*about, *(shard.file for shard in self._shards)])

    def unused(self) -> Sequence[str]:
        """Features that nothing is taken from, and splits that are none of ours."""
        is_asked = self._asked is not None and self._asked["split"]
        left = [one for one in self._info.splits if one not in self._chosen and not is_asked]
        splits = [f"split {one.name!r} ({sum(one.lengths):,} samples)" for one in left]
        idle = ["option data_dir"] if self._is_path and self._options.get("data_dir") else []
        return [*super().unused(), *splits, *idle]

    @property
    def _is_path(self) -> bool:
        return not self.source.startswith(PREFIX)

    @cached_property
    def _asked(self) -> re.Match[str] | None:
        """What an address says; None of a path."""
        found = ADDRESS.fullmatch(self.source)
        if found is None and not self._is_path:
            raise DatasetError(
                f"{self.source} is no tfds:NAME[/CONFIG][:VERSION][:SPLIT]",
                hint="Such as tfds:mnist or tfds:imdb_reviews/plain_text:1.0.0:train.",
            )
        return found

    @cached_property
    def _folder(self) -> Path:
        asked = self._asked
        if asked is None:
            return Path(self.source)
        data = _data_dir(self._options.get("data_dir"))
        return _find_prepared(data, asked) or _prepare(data, asked)

    @cached_property
    def _info(self) -> Info:
        return read_info(self._folder)

    @cached_property
    def _chosen(self) -> tuple[Split, ...]:
        """The splits that samples are of: the one that was asked for, or those that are called like
        splits, or all if none is.

        Raises:
            DatasetError: there is none of the name that was asked for.
        """
        splits = self._info.splits
        name = None if self._asked is None else self._asked["split"]
        if name is None:
            return tuple(one for one in splits if find_split(one.name)) or splits
        found = tuple(one for one in splits if one.name == name)
        if not found:
            raise DatasetError(
                f"{self.source}: no split is called {name!r}",
                hint=f"There are {', '.join(one.name for one in splits)}.",
            )
        return found

    @property
    def _are_splits(self) -> bool:
        return len({find_split(one.name) for one in self._chosen}) > 1

    @property
    def _shards(self) -> Iterator[Shard]:
        for split in self._chosen:
            first, name = 0, find_split(split.name) if self._are_splits else None
            for file, count in self._info.files(self._folder, split):
                if count:
                    yield Shard(file, name, first, f"{split.name}/", count)
                first += count

    def _say(self) -> None:
        if is_unsettled(self._options):
            names = ", ".join(one.name for one in self._chosen)
            how = "are its splits" if self._are_splits else "is dealt out"
            tell(f"{self.source}: {names} {how}")

    @cached_property
    def _roles(self) -> Roles:
        return roles_in(self._folder, self._info.supervised, self._options, self.source)


def _data_dir(given: str | None) -> Path:
    return Path(given or os.environ.get("TFDS_DATA_DIR") or USUAL).expanduser()


def _find_prepared(data: Path, asked: re.Match[str]) -> Path | None:
    """The folder that was prepared before, of the newest version; None if there is none.

    Raises:
        DatasetError: several configurations were prepared, and none is named.
    """
    above = inside(data, asked["name"])
    if asked["config"]:
        above = inside(above, asked["config"])
    found = _versions(above, asked["version"])
    if found or asked["config"] or not above.is_dir():
        return found[-1] if found else None
    configs = [one for one in sorted(above.iterdir()) if _versions(one, asked["version"])]
    if len(configs) > 1:
        names = ", ".join(one.name for one in configs)
        raise DatasetError(
            f"tfds:{asked['name']} was prepared in several configurations: {names}",
            hint=f"Say which: tfds:{asked['name']}/{configs[0].name}.",
        )
    return _versions(configs[0], asked["version"])[-1] if configs else None


def _versions(folder: Path, wanted: str | None) -> list[Path]:
    """The folders of prepared versions, the newest last."""
    if not folder.is_dir():
        return []
    found = [
        one for one in folder.iterdir() if VERSION.fullmatch(one.name) and is_there(one / INFO)
    ]
    found = [one for one in found if wanted in (None, one.name)]
    return sorted(found, key=lambda one: [int(part) for part in one.name.split(".")])


def _prepare(data: Path, asked: re.Match[str]) -> Path:
    """Let TensorFlow Datasets fetch and prepare it.

    Raises:
        DatasetError: it is not installed, does not know the name, or cannot fetch it.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DatasetError(
            f"{asked[0]} is not prepared in {data}, and TensorFlow Datasets is not there to do so "
            f"({first_line(error)})",
            hint="Run `pip install 'headstart[tfds]'`.",
        ) from error
    name = asked["name"] + (f"/{asked['config']}" if asked["config"] else "")
    name += f":{asked['version']}" if asked["version"] else ""
    given: Any = {"data_dir": str(data), "file_format": "tfrecord", "try_gcs": False}
    tell(
        f"{asked[0]} is not prepared in {data}: TensorFlow Datasets fetches it now, and without a "
        "network gives up after some minutes"
    )
    try:
        with redirect_stdout(sys.stderr):  # standard output is for results
            tfds.disable_progress_bar()
            builder = tfds.builder(name, **given)
            builder.download_and_prepare()
    except Exception as error:  # what it downloads, and each builder, fails in its own way
        raise DatasetError(
            f"TensorFlow Datasets cannot prepare {name} in {data} ({first_line(error)})",
            hint="It needs the network once; what is prepared there is read without.",
        ) from error
    return Path(builder.data_dir)
