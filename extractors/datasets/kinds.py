"""The kinds of sources that there are, and which of them a source is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast
from urllib.parse import unquote

from headstart.errors import DatasetError, SourceMissing, first_line
from headstart.extractors.datasets.foreign import ForeignSource
from headstart.extractors.datasets.named_files import is_there
from headstart.extractors.datasets.places import is_address, is_called_folder, named
from headstart.extractors.datasets.remote.addresses import is_on_the_web
from headstart.extractors.datasets.shard_names import any_there, is_pattern
from headstart.extractors.datasets.source import NO, DatasetSource, Options
from headstart.extractors.datasets.windows.asked import Kept, medium_of
from headstart.extractors.datasets.windows.source import windowed
from headstart.plugins import OURS, Plugins

HERE = "headstart.extractors.datasets"
SOURCES: Plugins[type[DatasetSource]] = Plugins(
    "headstart.sources",
    "dataset kind",
    DatasetSource,
    name="kind",
    error=DatasetError,
    ours={
        "folder": f"{HERE}.sources.folders:FolderSource",
        "imagefolder": f"{HERE}.sources.image_folder:ImageFolderSource",
        "csv": f"{HERE}.sources.tables.tables:TableSource",
        "arrays": f"{HERE}.sources.arrays:ArraySource",
        "parquet": f"{HERE}.sources.columnar.columnar:ColumnarSource",
        "coco": f"{HERE}.sources.boxes.coco:CocoSource",
        "yolo": f"{HERE}.sources.boxes.yolo:YoloSource",
        "tfds": f"{HERE}.sources.shards.tfds:TfdsSource",
        "tfrecord": f"{HERE}.sources.shards.tfrecord:TFRecordSource",
        "webdataset": f"{HERE}.sources.shards.webdataset:WebDatasetSource",
    },
)
"""`csv` stands for every table of text: CSV, TSV and JSON Lines; `parquet` for all columns."""
READ = (
    "Read are folders in buckets, also of COCO and YOLO with their pictures; tables (.csv, .tsv, "
    ".jsonl); tars, TFRecord, Parquet, Arrow, .npy and .npz. Else download it."
)
"""What is read at an address."""
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:")
"""How the text of a source begins that is no path, such as `hf:` and `s3:`."""
LOCAL = re.compile(r"file:(?://(?:localhost)?(?=/))?(/[^?#]*)$", re.IGNORECASE)


def located(source: str | Path) -> str:
    """A source as it is stored: an absolute path, or an address as it was given.

    Raises:
        DatasetError: it is an address that holds a secret.
    """
    if is_address(source):
        return named(source)
    path = Path(_without_scheme(source)).expanduser()
    is_other = isinstance(source, str) and ADDRESS.match(source) and not is_there(path)
    return str(source) if is_other else str(path.absolute())


def _without_scheme(source: str | Path) -> str | Path:
    """The path of `file:///some/where`; anything else as it is."""
    found = LOCAL.match(source) if isinstance(source, str) else None
    return source if found is None or is_there(Path(source)) else unquote(found[1])


def is_gone(source: str) -> bool:
    """Whether a source that was located is a path or a pattern at which there is nothing now."""
    if ADDRESS.match(source) or is_there(Path(source)):
        return False
    return not (is_pattern(source) and any_there(source))


def find_kind(source: str) -> str | None:
    """The kind whose class is surest that a source is its own; None if none is.

    Raises:
        DatasetError: two are equally sure.
    """
    sure = {name: _sureness(name, source) for name in list(SOURCES)}
    most = max(sure.values(), default=NO)
    best = [name for name, value in sure.items() if value == most]
    if most <= NO:
        return None
    if len(best) > 1:
        raise DatasetError(
            f"{source} may be of kind {' or '.join(best)}", hint="Say which with --kind."
        )
    return best[0]


def _sureness(name: str, source: str) -> float:
    """How sure a kind is; one of another package that fails at it is left out from then on."""
    recognise = SOURCES[name].recognise
    if SOURCES.package(name) == OURS:
        return recognise(source)
    try:
        return float(recognise(source))
    except Exception as error:  # other people's code may fail in any way
        SOURCES.leave_out(name, f"its recognise failed ({first_line(error)})")
        return NO


def kind_of(source: str | Path, kind: str | None = None) -> str:
    """The dataset's kind: as given, or by what the source is.

    Raises:
        DatasetError: the source does not exist, or is none of the known kinds.
    """
    if kind is not None:
        SOURCES[kind]  # or the error that says which there are
    place = located(source)
    if is_gone(place):
        raise SourceMissing(f"no file or folder {place}", hint="Check the path.")
    found = kind or find_kind(place)
    if found is not None and is_address(place):
        _check_takes_addresses(found, place)
    if found is None and is_address(place):
        raise DatasetError(f"{place} is not a dataset that can be read at an address", hint=READ)
    if found is None:
        known = ", ".join(made.what for made in SOURCES.values())
        raise DatasetError(
            f"{place} is none of: {known}", hint="Say which with --kind, or convert it."
        )
    return found


def _check_takes_addresses(kind: str, place: str) -> None:
    """See that a kind of ours reads what lies elsewhere; those of others say it themselves."""
    if not reads_addresses(kind):
        is_folder = is_on_the_web(place) and is_called_folder(place)
        hint = "The web lists no folders: number the files, as in x-{000..099}.tar."
        raise DatasetError(
            f"{place}: a dataset of kind {kind} is not read there", hint=hint if is_folder else READ
        )


def reads_addresses(kind: str) -> bool:
    """Whether a kind reads what lies at an address where it lies, or is of others, who see to it.

    Raises:
        DatasetError: there is no such kind here.
    """
    made = SOURCES[kind]
    return SOURCES.package(kind) != OURS or getattr(made, "takes_addresses", False)


def own_root(kind: str, source: str) -> dict[str, str]:
    """The option `root` of a source that reads nothing outside of its folder unless it is told to;
    nothing of all others.

    Args:
        kind: of it.
        source: as `located` gives it.
    """
    find = getattr(SOURCES[kind], "own_root", None)
    return {} if find is None else {"root": find(source)}


def open_source(
    kind: str, source: str, options: Options, kept: Kept | None = None
) -> DatasetSource:
    """A source of a kind, cut into windows if the options say so; nothing is read yet.

    Args:
        kind: of it.
        source: as `located` gives it.
        options: as they are stored.
        kept: where the tokenizer is that windows are counted by; only for who counts them.

    Raises:
        DatasetError: there is no such kind here.
    """
    made, package = SOURCES[kind], SOURCES.package(kind)
    is_own = package == OURS
    opened = made(source, options) if is_own else _foreign(made, package, source, options)
    return windowed(opened, medium_of(options, kept))


def _foreign(
    made: type[DatasetSource], package: str, source: str, options: Options
) -> DatasetSource:
    try:
        opened = made(source, options)
    except Exception as error:  # the contract says that it never fails
        raise DatasetError(
            f"{source}: the dataset kind {made.kind!r} of {package} failed ({first_line(error)})",
            hint="Tell its authors; --debug shows where.",
        ) from error
    return cast(DatasetSource, ForeignSource(opened, package))
