"""Samples that somebody has in hand, or names: paths, arrays, pictures, texts, frames, a dataset.

Each becomes a name and a function that gives its raw content, as a dataset's samples have it: the
bytes of a file or a text, an array, or those by the backbone's inputs. So the same content has the
same features, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import DatasetError, HeadError, InputMissing, NotFound
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.memory.pictures import encoded, is_picture
from headstart.extractors.preprocessing.medium import MEDIA
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.images import DECODERS
from headstart.jobs.frame_columns import columns_of, is_frame
from headstart.notices import tell
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.showable import brief

TEXT_STEPS = tuple(step for step, medium in MEDIA.items() if medium == "texts")
"""Steps that begin with a text."""
HINT = "Leave it out, or go on without it: --on-error skip."
EXPECTED = (
    "Give paths, arrays, pictures of PIL, texts for a backbone that takes texts, a data frame, or "
    "the name of a dataset; one, or several of one kind."
)


@dataclass(frozen=True)
class RawSample:
    """A sample: what it is called, how its raw content is had, whether that is waited for, and, of
    the dataset whose splits are told, in which it stands."""

    name: str
    read: Callable[[], Any]
    is_far: bool = False
    split: str | None = None


@dataclass(frozen=True)
class Taker:
    """Takes samples for a backbone.

    Attributes:
        context: where datasets are registered.
        inputs: of the backbone, each with its name and shape.
        steps: the first step of its preprocessing, by input.
        root: a folder outside of which no file is read, whoever names it.
        of_wholes: of datasets with windows, take the whole samples.
        is_each: whether a member of a list is one sample, be it called like a folder, a table or a
            dataset; of a backbone that takes texts a text, if it is no `Path`. A cell of a frame
            always is one.
        splits_of: the dataset whose samples' splits are told: in others they stand for nothing that
            was learned.
    """

    context: Context
    inputs: Sequence[Mapping[str, Any]]
    steps: Mapping[str, str]
    root: str | Path | None = None
    of_wholes: bool = False
    is_each: bool = False
    splits_of: str | None = None

    @staticmethod
    def of(
        context: Context,
        backbone: Backbone,
        root: str | Path | None = None,
        *,
        of_wholes: bool = False,
        is_each: bool = False,
        splits_of: str | None = None,
    ) -> Taker:
        """For a registered backbone."""
        chains = Preprocessing.from_json(backbone.preprocessing).chains
        firsts = {name: steps[0] if steps else {"step": ""} for name, steps in chains.items()}
        names = {name: str(step["step"]) for name, step in firsts.items()}
        return Taker(context, backbone.inputs, names, root, of_wholes, is_each, splits_of)

    @property
    def takes_texts(self) -> bool:
        return any(step in TEXT_STEPS for step in self.steps.values())

    @property
    def takes_pictures(self) -> bool:
        return any(step in DECODERS for step in self.steps.values())

    def take(self, given: Any) -> Iterator[RawSample]:
        """The samples of what was given, in order.

        Raises:
            HeadError: it is nothing that can be a sample, or is of several kinds; a path leads
                nowhere.
        """
        if isinstance(given, Dataset):
            return self._of_dataset(given)
        if isinstance(given, str | Path):
            return self._of_texts([given])
        if is_frame(given):
            return self._of_frame(given)
        if is_picture(given) or isinstance(given, bytes):
            return self._of_values([given])
        if isinstance(given, Mapping):
            return self._of_inputs(given)
        if hasattr(given, "__array__") and not hasattr(given, "to_list"):  # no series
            return self._of_array(np.asarray(given))
        if hasattr(given, "to_pylist"):  # a column of pyarrow
            return self._of_many(given.to_pylist())
        if isinstance(given, Iterable):
            return self._of_many(list(given))
        raise HeadError(
            f"{brief(given)}, of type {type(given).__name__}, is not a sample", hint=EXPECTED
        )

    def _of_many(self, many: list[Any]) -> Iterator[RawSample]:
        kinds = [_kind(one) for one in many]
        for place, kind in enumerate(kinds):
            if kind is None:
                odd = many[place]
                raise HeadError(
                    f"sample {place}, {brief(odd)}, is of type {type(odd).__name__}", hint=EXPECTED
                )
            if kind != kinds[0]:
                raise HeadError(
                    f"a list of several kinds: sample 0 is {kinds[0]}, sample {place} is {kind}",
                    hint="Give one kind at a time.",
                )
        if kinds and kinds[0] == TEXT:
            return map(self._of_one, many, count()) if self.is_each else self._of_texts(many)
        return self._of_values(many)

    def _of_texts(self, many: Sequence[str | Path]) -> Iterator[RawSample]:
        """Paths, names of datasets, or texts."""
        for given in many:
            refuse_empty(given)
        if not self.takes_texts:
            return self._of_paths(many)
        found = [self._leads_somewhere(text) for text in many]
        if all(found):
            return self._of_paths(many)
        if any(found):
            place = found.index(not found[0])
            words = ("is there", "leads nowhere")
            raise HeadError(
                f"files and texts together: {str(many[0])!r} {words[not found[0]]}, "
                f"{brief(str(many[place]))} {words[found[0]]}",
                hint="Give one kind at a time.",
            )
        return self._of_values([str(text) for text in many])

    def _of_paths(self, many: Sequence[str | Path]) -> Iterator[RawSample]:
        """The samples of each; of several it is said which are more than one sample."""
        for given in many:
            names = count()
            for sample, _ in zip(self._of_path(given), names, strict=False):
                yield sample
            found = next(names)
            if len(many) > 1 and found != 1:
                tell(f"{given}: its {found:,} samples are predicted, each for itself")

    def _of_one(self, given: str | Path, place: int) -> RawSample:
        """One text, or one file or object."""
        if self.takes_texts and isinstance(given, str):
            return RawSample(f"[{place}]", partial(self._raw, given))
        return self._of_file(given)

    def _of_file(self, given: str | Path) -> RawSample:
        """One file or object, as it is."""
        refuse_empty(given)
        path = sources.located(given) if sources.is_address(given) else str(Path(given))
        is_far = sources.is_far(path)
        if not is_far and sources.is_gone(sources.located(path)):
            raise InputMissing(f"no file {given}", hint="Check the path; each is one sample here.")
        options = {} if self.root is None else {"root": str(self.root)}
        return RawSample(path, partial(sources.Places(path, options).read, path, hint=HINT), is_far)

    def _leads_somewhere(self, text: str | Path) -> bool:
        if sources.is_address(text) and len(text.split()) > 1:  # a text that begins with one
            return False
        if isinstance(text, Path) or _is_here(text):
            return True
        try:
            self.context.datasets.get(text)
        except NotFound:
            return False
        return True

    def _of_path(self, given: str | Path) -> Iterator[RawSample]:
        """A file as it is; a source, such as a folder or a table, or a dataset, by its samples."""
        path = sources.located(given) if sources.is_address(given) else str(Path(given))
        is_here = _is_here(given) or sources.is_far(path)
        known = None if isinstance(given, Path) and is_here else self._find_dataset(str(given))
        if known is not None and not (is_here and self.root is not None):
            if is_here and sources.located(given) != known.source:
                tell(f"{given} is the registered dataset, not what lies here; ./{given} is that")
            yield from self._of_dataset(known)
            return
        if not is_here:
            raise InputMissing(f"no file, folder or dataset {given}", hint="Check the path.")
        if sources.is_fetched(path):
            raise HeadError(
                f"{path} is fetched before it is read",
                hint=f"Add it, `headstart dataset add NAME {path}`, and predict NAME.",
            )
        kind = sources.find_kind(path)
        if kind is None:
            yield self._of_file(given)
            return
        with _of_prediction(path):
            source = sources.open_source(kind, path, _rooted(kind, path, self.root))
            found = source.locations()
        for row, location in enumerate(found):
            name = location if isinstance(location, str) else f"{path}[{row}]"
            is_far = sources.is_far(path) or sources.is_far(location)
            yield RawSample(name, partial(source.read, location), is_far)

    def _find_dataset(self, name: str) -> Dataset | None:
        try:
            return self.context.datasets.get(name)
        except NotFound:
            return None

    def _of_dataset(self, dataset: Dataset) -> Iterator[RawSample]:
        """The samples of a registered dataset by their ids, as they were last looked at."""
        if self.root is not None:
            raise HeadError(
                f"{dataset.name} is a registered dataset, whose root was chosen when it was added",
                hint="Leave --root out, or name the folder or table itself.",
            )
        read = sources.reader_of(dataset)
        manifest = self.context.manifest(dataset)
        is_told = dataset.name == self.splits_of
        for sample in (wholes_of(manifest) if self.of_wholes else manifest).samples:
            split = sample.split if is_told else None
            yield RawSample(sample.id, partial(read, sample), split=split)

    def _of_frame(self, frame: Any) -> Iterator[RawSample]:
        found = columns_of(frame, takes_texts=self.takes_texts)
        if found.kind == "path":
            named = zip(found.names, found.values, strict=True)
            return (replace(self._of_cell(value), name=name) for name, value in named)
        return self._of_values(found.values, found.names)

    def _of_cell(self, value: Any) -> RawSample:
        """The file that a cell names; the content itself, where a struct has it."""
        is_name = isinstance(value, str)
        return self._of_file(value) if is_name else RawSample("", partial(self._raw, value))

    def _of_inputs(self, given: Mapping[Any, Any]) -> Iterator[RawSample]:
        """Rows of arrays by the names of the backbone's inputs."""
        wanted = [one["name"] for one in self.inputs]
        if len(wanted) < 2 or set(given) != set(wanted):
            raise HeadError(
                f"samples by the names {', '.join(map(str, given))}; the backbone takes "
                f"{', '.join(wanted)}",
                hint="Give an array for each of several inputs, or one for all of the only one.",
            )
        rows = {name: list(given[name]) for name in wanted}
        lengths = {name: len(many) for name, many in rows.items()}
        if len(set(lengths.values())) != 1:
            raise HeadError(f"the inputs have different numbers of samples: {lengths}")
        many = zip(*rows.values(), strict=True)
        return self._of_values([dict(zip(rows, row, strict=True)) for row in many])

    def _of_array(self, array: np.ndarray) -> Iterator[RawSample]:
        """One sample, or several along the first axis."""
        if array.dtype.kind in "USO":
            return self._of_many(array.reshape(-1).tolist())
        return self._of_values([array] if self._is_one(array) else list(array))

    def _is_one(self, array: np.ndarray) -> bool:
        shape = tuple(self.inputs[0]["shape"])
        if self.takes_pictures:
            is_coloured = array.ndim == 3 and array.shape[-1] in (1, 3, 4)
            return array.ndim == 2 or is_coloured
        if array.ndim not in (len(shape), len(shape) + 1):
            raise HeadError(
                f"an array of shape {array.shape} is neither a sample nor several: the backbone "
                f"takes {'x'.join('?' if size is None else str(size) for size in shape)}",
                hint="Give one sample, or several along the first axis.",
            )
        return array.ndim == len(shape)

    def _of_values(
        self, many: Sequence[Any], names: Sequence[str] | None = None
    ) -> Iterator[RawSample]:
        for place, value in enumerate(many):
            name = f"[{place}]" if names is None else names[place]
            yield RawSample(name, partial(self._raw, value))

    def _raw(self, value: Any) -> Any:
        """A value as the raw content of a sample."""
        if isinstance(value, Mapping):
            return {name: self._raw(one) for name, one in value.items()}
        if isinstance(value, str):
            return value.encode()
        if is_picture(value):
            return encoded(value)  # as a dataset of pictures keeps it
        return value if isinstance(value, bytes) else np.asarray(value)


@contextmanager
def _of_prediction(path: str) -> Iterator[None]:
    """Options of `dataset add`, which errors of sources name, are none of `head predict`."""
    try:
        yield
    except DatasetError as error:
        if "--" in (error.hint or ""):
            error.hint = (
                f"Add it with options that say what its columns are, `headstart dataset add NAME "
                f"{path}`, and predict NAME."
            )
        raise


def refuse_empty(given: str | Path) -> None:
    """Refuse a text without a letter, which as a path is the folder where one is.

    Raises:
        HeadError: it is one.
    """
    if isinstance(given, str) and not given.strip():
        raise HeadError("an empty text names no file", hint="Give a path, or `.` for this folder.")


def _is_here(given: str | Path) -> bool:
    """Whether there is a file, a folder, or something at an address of a known kind."""
    place = sources.located(given)
    is_path = Path(place).is_absolute()
    return not sources.is_gone(place) and (is_path or sources.find_kind(place) is not None)


TEXT = "a path or text"


def _kind(value: Any) -> str | None:
    """What a member of a list is, in words; None for what is no sample."""
    if isinstance(value, str | Path):
        return TEXT
    if is_picture(value):
        return "a picture"
    if isinstance(value, bytes):
        return "the bytes of a file"
    is_array = hasattr(value, "__array__") and np.ndim(value) > 0
    is_numbers = isinstance(value, list | tuple) and all(isinstance(x, int | float) for x in value)
    return "an array" if is_array or (is_numbers and len(value)) else None


def _rooted(kind: str, path: str, root: str | Path | None) -> dict[str, Any]:
    """The options of a source that may read below the root alone.

    Raises:
        HeadError: it names files, and knows no root.
    """
    if root is None:
        return dict(sources.own_root(kind, path))
    made = sources.SOURCES[kind]
    if kind != "arrays" and all(option.name != "root" for option in made.options):
        raise HeadError(
            f"{path} is {made.what}, which knows no root",
            hint="Leave --root out, if you trust what it names.",
        )
    return {"root": str(root)}
