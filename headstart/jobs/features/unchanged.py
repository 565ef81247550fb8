"""What was found complete need not be looked at again while nothing of it has changed.

That an extraction has nothing to compute follows from the rows of the database that it depends on,
from its shards and from the dataset's files. When one is done, a hash over just these is kept, with
what the next one will report; where the hash is the same, that is the report. It takes neither the
samples nor NumPy, Arrow or SQLAlchemy, whose import is most of an extraction that computes nothing.

What is kept is nothing but a cache of this machine: where it is missing, or anything is another
than it was, the extraction is made as ever. See docs/design/what-was-complete.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headstart
from headstart.config import CONFIG_FILE, Config, load_config
from headstart.extractors.run.report import Report
from headstart.jobs.source_names import is_name_alone
from headstart.paths import below, inside
from headstart.registry.audit.glimpse import Rows, find_rows, is_used_lately
from headstart.storage.files import make_folder, open_regular, state_of, written_aside
from headstart.values.logs import logger

if TYPE_CHECKING:
    from headstart.context import Context
    from headstart.storage.views import FeatureView

log = logger(__name__)

FETCHED = "fetched"
"""The option of a dataset whose files were fetched from elsewhere, which has to be asked."""
VERSION = 1
"""Of what is hashed and kept."""
FOLDER = "complete"
"""Of a workspace, with a file for each extraction that was asked for."""
LARGEST = 1 << 16
"""Bytes of such a file."""
KINDS = ("folder",)
"""Of datasets whose files all lie below their source."""
PRECISIONS = ("float32", "bfloat16")
"""In which features depend on nothing else: int8 has calibrations."""
POOLINGS = ("flatten", "gap", "gmp", "mean", "max", "cls", "last")
"""Our own: what a plug-in's computes may be another thing tomorrow, and its rows are not."""
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
        files: hash over the dataset's files, before anything else looked at them.
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
    files = None if rows is None else _files_of(rows)
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
    if rows is None or not _is_of(looked, rows, view):
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
    code = [VERSION, headstart.__version__, [field.name for field in fields(Report)]]
    sets = [{**row, "used_at": None} for row in rows["feature_sets"]]
    known = {**rows, "feature_sets": sets}
    text = json.dumps([code, looked.config.id, known, looked.files, stats, report], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _stats(config: Config, rows: Rows) -> dict[str, Any]:
    """Of the shards that count, by what it is seen that somebody has written to one."""
    names = [row["file"] for row in rows["shards"] if row["status"] == "committed"]
    return {name: list(state_of(below(config.features, name))) for name in names}


def _files_of(rows: Rows) -> str | None:
    """A hash over the files of a dataset; None where that would not be all that it is made of."""
    for row in rows["datasets"]:
        is_local = Path(row["source"]).is_absolute() and FETCHED not in json.loads(row["options"])
        if row["kind"] in KINDS and is_local:
            with suppress(OSError):  # whoever lists it properly says what is wrong
                return _listed(row["source"])
    return None


def _listed(folder: str) -> str | None:
    """A hash over all that lies below a folder and is not hidden, by what the change of a file is
    seen (`extractors.datasets.rows.stat_of`); None where a link leads elsewhere."""
    content, waiting = hashlib.sha256(), [folder]
    while waiting:
        above = waiting.pop()
        with os.scandir(above) as found:
            entries = sorted(found, key=attrgetter("name"))
        told = [above]
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                return None
            if entry.is_dir():
                waiting.append(entry.path)
                told.append(entry.name)
            else:
                seen = entry.stat()
                told.append(f"{entry.name}/{seen.st_size} {seen.st_mtime_ns} {seen.st_ino}")
        content.update("\0".join([*told, "\0"]).encode(errors="surrogateescape"))
    return content.hexdigest()


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
        try:
            with open_regular(place) as file:
                return _Kept(**json.loads(file.read(LARGEST)))
        except (OSError, ValueError, TypeError, RecursionError):
            return _Kept()

    def write(self, place: Path) -> None:
        if self != _Kept.read(place):
            with suppress(OSError):  # read-only, or full: the next extraction is made as ever
                make_folder(place.parent)
                with written_aside(place) as file:
                    file.write(json.dumps(self.__dict__).encode())
