"""What was found complete need not be looked at again while nothing of it has changed.

That an extraction has nothing to compute follows from the rows of the database that it depends on,
from its shards, from the dataset's files and manifest, and from this code. When one is done, a hash
over just these is kept, with what the next one will report; where the hash is the same, that is the
report. It takes neither the samples nor NumPy, Arrow or SQLAlchemy, whose import is most of an
extraction that computes nothing.

What is kept is nothing but a cache of this machine: where it is missing, or anything is another
than it was, the extraction is made as ever. See docs/design/what-was-complete.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from headstart.config import CONFIG_FILE, Config, load_config
from headstart.errors import HeadstartError
from headstart.extractors.run.report import Report
from headstart.jobs.source_names import is_name_alone
from headstart.paths import below, inside
from headstart.registry.audit.glimpse import Rows, find_rows, is_used_lately
from headstart.storage.files import make_folder, open_regular, stat_of, state_of, written_aside
from headstart.values.logs import logger

if TYPE_CHECKING:
    from headstart.context import Context
    from headstart.storage.views import FeatureView

log = logger(__name__)

FETCHED = "fetched"
"""The option of a dataset whose files were fetched from elsewhere, which has to be asked."""
FOLDER = "complete"
"""Of a workspace, with a file for each extraction that was asked for."""
LARGEST = 1 << 16
"""Bytes of such a file."""
LONGEST_HEAD = 1 << 24
"""Bytes of the first line of a manifest, which names its parts."""
PARTS = "manifests-parts"
"""The folder of a workspace in which they lie."""
SUFFIXES = {2: ".json", 3: ".arrows"}
"""Of parts, by the version of their manifest."""
PACKAGES = ("extractors", "jobs", "registry", "storage", "values")
"""Of this package's, those by which an extraction is made."""
CODE = {
    "": Path(__file__).parents[2],
    **{name: Path(sys.modules[f"headstart.{name}"].__path__[0]) for name in PACKAGES},
}
"""The folders of them, wherever they are installed or linked to, and of the modules beside them."""
KINDS = ("folder",)
"""Of datasets whose files all lie below their source."""
PRECISIONS = ("float32", "bfloat16")
"""In which features depend on nothing else: int8 has calibrations."""
POOLINGS = ("flatten", "gap", "gmp", "mean", "max", "cls", "last")
"""Our own: what a plug-in's computes may be another thing tomorrow, and its rows are not."""
NO_MANIFEST = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""What comes of reading a file that is none."""
OF_BACKBONES = ("backbones", "aliases", "cut_points")


@dataclass(frozen=True)
class Looked:
    """An extraction that was asked for, and what could be seen without making it.

    Attributes:
        config: of the workspace.
        backbone: its name or alias.
        dataset: its name.
        place: of the file that is kept.
        rows: of the database, before.
        files: hash over the files that it depends on, before anything else looked at them.
        report: of an extraction that would find everything; None where one has to be made.
    """

    config: Config
    backbone: str
    dataset: str
    place: Path
    rows: Rows
    files: str
    report: Report | None = None


def look(root: Path, backbone: str, dataset: str, given: Mapping[str, Any]) -> Looked | None:
    """See whether an extraction has anything to do.

    Args:
        root: of the workspace.
        backbone: `NAME[:VERSION][@CUT…]`.
        dataset: its name.
        given: all else that it is asked for with, as JSON has it.

    Returns:
        None where it cannot be told so, such as of a dataset of another kind.
    """
    started = time.monotonic()
    if not (root / CONFIG_FILE).exists() or given["precision"] not in PRECISIONS:
        return None
    if not is_name_alone(backbone) or not is_name_alone(dataset):
        return None  # a file of that name is told of
    config, name = load_config(root), backbone.partition("@")[0].partition(":")[0]
    place = _place(config, backbone, dataset, given)
    kept = _Kept.read(place)
    rows = None if config.store else find_rows(config, name, dataset, kept.feature_keys)
    files = None if rows is None else _files_of(config, rows)
    if rows is None or files is None:
        return None
    looked = Looked(config, name, dataset, place, rows, files)
    if not kept.feature_keys or not is_used_lately(rows, kept.feature_keys[0]):
        return looked
    if kept.state != _state(looked, rows, _stats(config, rows), kept.report):
        return looked
    log.info("%s of %s: nothing has changed since all of it was there", backbone, dataset)
    seconds = round(time.monotonic() - started, 3)
    return replace(looked, report=Report(**{**kept.report, "seconds": seconds}))


def keep(context: Context, looked: Looked, view: FeatureView) -> None:
    """Keep that an extraction is complete, if it is, for the next one that is asked for like it.

    Args:
        context: of the workspace.
        looked: of before it was made.
        view: what it gave.
    """
    report = view.report
    if report.skipped or report.quarantined or report.warnings or not _are_own(report.cuts):
        return  # what is told is told each time
    keys = [*report.feature_keys.values()]
    rows = find_rows(looked.config, looked.backbone, looked.dataset, keys)
    if rows is None or not _is_of(looked, rows, view) or not _is_all(view):
        return
    if _files_of(looked.config, rows) != looked.files:
        return
    cache, stats = context.cache(), dict[str, Any]()
    for key in keys:
        index = cache.open_index(key)
        if len(index.find_absent(view.samples.digest_blocks())):
            return
        stats |= {shard.file.name: list(shard.stat) for shard in index.living}
    if stats == _stats(looked.config, rows):
        told = report.again().__dict__
        _Kept(_state(looked, rows, stats, told), keys, told).write(looked.place)


def _is_of(looked: Looked, rows: Rows, view: FeatureView) -> bool:
    """Whether a view has all of the dataset that the rows are of, and what was asked for meant the
    same before as now."""
    dataset = view.origin.dataset
    if len(view.left_out) or any(rows[table] != looked.rows[table] for table in OF_BACKBONES):
        return False
    return any(
        row["name"] == dataset.name
        and (row["digest"], row["manifest"]) == (dataset.digest, dataset.manifest)
        and json.loads(row["options"]) == dataset.options
        for row in rows["datasets"]
    )


def _are_own(cuts: list[str]) -> bool:
    poolings = [pooling for cut in cuts for pooling in cut.split("|")[1:]]
    return all(pooling in POOLINGS for pooling in poolings)


def _place(config: Config, *asked: Any) -> Path:
    """Of the file that is kept of what was asked for."""
    text = json.dumps(asked, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return inside(config.root, FOLDER, f"{digest}.json")


def _state(looked: Looked, rows: Rows, stats: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """A hash over a report and all that it follows from."""
    sets = [{**row, "used_at": None} for row in rows["feature_sets"]]
    known = {**rows, "feature_sets": sets}
    text = json.dumps([looked.config.id, known, looked.files, stats, report], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _stats(config: Config, rows: Rows) -> dict[str, Any]:
    """Of the shards that count, by what it is seen that somebody has written to one."""
    names = [row["file"] for row in rows["shards"] if row["status"] == "committed"]
    return {name: list(state_of(below(config.features, name))) for name in names}


def _files_of(config: Config, rows: Rows) -> str | None:
    """A hash over the files of a dataset, its manifest and this code; None where that would not be
    all that it is made of, or some of it cannot be read: whoever does it properly says why."""
    for row in rows["datasets"]:
        is_local = Path(row["source"]).is_absolute() and FETCHED not in json.loads(row["options"])
        if row["kind"] in KINDS and is_local:
            with suppress(OSError, HeadstartError, *NO_MANIFEST):
                content = hashlib.sha256()
                for told in (_code(), _manifest(config, row["manifest"]), *_below(row["source"])):
                    content.update(json.dumps(told).encode())
                return content.hexdigest()
    return None


def _manifest(config: Config, name: str) -> list[tuple[int, ...]]:
    """By what it is seen that somebody has written to a manifest, or to a part of it."""
    path = inside(config.manifests, name)
    with open_regular(path) as file:
        head = json.loads(file.readline(LONGEST_HEAD))
    parts = [f"{sha256}{SUFFIXES[head['version']]}" for sha256, _ in head.get("parts", ())]
    return [state_of(path), *(state_of(inside(config.root, PARTS, part)) for part in parts)]


def _code() -> list[Any]:
    """The modules by which an extraction is made: in a checkout they change, and the version stays.
    They are the same wherever they are imported from."""
    found, waiting = [], [(name, str(folder)) for name, folder in CODE.items()]
    while waiting:
        name, above = waiting.pop()
        with os.scandir(above) as entries:
            for entry in entries:
                place = f"{name}/{entry.name}"
                if entry.name.endswith(".py"):
                    seen = entry.stat()
                    found.append((place, seen.st_size, seen.st_mtime_ns))
                elif name and entry.name != "__pycache__" and entry.is_dir():
                    waiting.append((place, entry.path))
    return sorted(found)


def _below(folder: str) -> Iterator[tuple[str, dict[str, tuple[int, ...]]]]:
    """Each folder from one on, with what lies right in it by name, if it is not hidden: a file by
    what its change is seen (`stat_of`), a folder by nothing.

    Raises:
        OSError: it cannot be read, or a link in it leads elsewhere.
    """
    waiting = [folder]
    while waiting:
        above, told = waiting.pop(), dict[str, tuple[int, ...]]()
        with os.scandir(above) as found:
            entries = sorted(found, key=attrgetter("name"))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                raise OSError(f"{entry.path} is a link")
            if entry.is_dir():
                waiting.append(entry.path)
                told[entry.name] = ()
            else:
                told[entry.name] = stat_of(entry.stat())
        yield above, told


def _is_all(view: FeatureView) -> bool:
    """Whether the files of a dataset are just those that its manifest tells of, as it tells of
    them: one that was away while it was listed is in no manifest, though it is back by now."""
    import numpy as np  # it is there, where an extraction was made

    dataset = view.origin.dataset
    unused = {*dataset.options.get("unused", ())}

    def listed() -> Iterator[int]:
        for above, told in _below(dataset.source):
            if not told:
                raise FileNotFoundError(f"{above} is empty")
            for name, stat in told.items():
                path = f"{above}{os.sep}{name}"
                if stat and not _is_named(path[len(dataset.source) + 1 :], unused):
                    yield hash((path, stat))

    columns = view.samples
    known = (
        hash(one)
        for block in columns.blocks()
        for one in zip(block.locations, map(tuple, block.stats), strict=True)
    )
    with suppress(OSError):
        own, its = (np.sort(np.fromiter(each, np.int64)) for each in (listed(), known))
        return np.array_equal(own, its)
    return False


def _is_named(file: str, unused: set[str]) -> bool:
    """Whether a file below a dataset's folder is among what it does not use, in words."""
    above = (f"folder {str(folder)!r}" for folder in PurePath(file).parents)
    return bool(unused) and (f"file {file!r}" in unused or any(one in unused for one in above))


@dataclass(frozen=True)
class _Kept:
    """What is kept of an extraction.

    Attributes:
        state: a hash; see `_state`.
        feature_keys: that it has rows of.
        report: of the next one, by field; none where nothing is kept.
    """

    state: str = ""
    feature_keys: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def read(place: Path) -> _Kept:
        with suppress(OSError, ValueError, TypeError, RecursionError), open_regular(place) as file:
            found = _Kept(**json.loads(file.read(LARGEST)))
            if found.is_sound:
                return found
        return _Kept()

    @property
    def is_sound(self) -> bool:
        """Whether it is what was written, by its types: the file may hold anything."""
        are_lists = isinstance(self.feature_keys, list) and isinstance(self.report, dict)
        return are_lists and all(isinstance(one, str) for one in (self.state, *self.feature_keys))

    def write(self, place: Path) -> None:
        content = json.dumps(self.__dict__).encode()
        if len(content) > LARGEST or self == _Kept.read(place):
            return
        with suppress(OSError):  # read-only, or full: the next extraction is made as ever
            make_folder(place.parent)
            with written_aside(place) as file:
                file.write(content)
