"""Where a dataset's name is taken, a source is taken too, and is registered under a name of it.

What stands in records (a head's dataset, say) is a name and nothing else, and does not come here: a
file that is called like a dataset which was removed is not that dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import DatasetError, NotFound, RegistryError, SourceGone
from headstart.extractors import datasets as sources
from headstart.jobs.datasets.fetched import datasets_from
from headstart.jobs.datasets.kept_data import holding
from headstart.jobs.datasets.refresh import ROOT, look_again, root_of_add
from headstart.jobs.source_names import free_name, name_of
from headstart.notices import tell
from headstart.registry.entities import Dataset
from headstart.registry.references import reference_of
from headstart.storage.contents import Contents
from headstart.storage.scratch import scratch_folder

OPTION = re.compile(r"(?<!\S)--\w")
"""In the words of an error, an option of the command line."""
OF_NO_MATTER = {"root"}
"""Options that leave what the samples are as it is."""


def dataset_named(
    context: Context,
    given: str | Path | Dataset | Any,
    *,
    adds: bool = True,
    looks: bool = True,
    on_error: str = "fail",
    of_numbers: bool = False,
) -> str:
    """The name under which a dataset is registered; a source that is not is registered first.

    Args:
        context: where.
        given: a name, which wins over a file of that name; a source, such as a folder, as
            `Datasets.add` takes it, or data in memory, such as `(x, y)`; or a dataset.
        adds: whether a source may be registered.
        looks: whether the source of a registered dataset is looked at again, where it was given.
        on_error: of a source that is registered now, see `Datasets.add`.
        of_numbers: likewise, whether its labels are to be numbers: then no class has few samples.

    Raises:
        NotFound: it is neither the name of a dataset nor a source of one.
        DatasetError: the source cannot be read as a dataset.
        RegistryError: it is of a type that names no dataset, or a list of texts, which may be meant
            for several.
    """
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], Dataset | str | Path):
        given = given[0]  # one for several
    if not isinstance(given, str | Path):
        if not _is_data(given):
            return reference_of(given, "dataset")
        _check_no_names(given)
        return _held(context, given, on_error, of_numbers) if adds else _get_held(context, given)
    place = _find_place(given)
    if not (isinstance(given, Path) and place):
        try:
            return _said_which(context.datasets.get(str(given)), place)
        except NotFound as error:
            if place is None:
                raise NotFound(
                    f"{error.message}, and no file or folder is there by that name",
                    hint=error.hint,
                ) from None
    assert place is not None
    found = _find_registered(context, place)
    if found is not None:
        if looks:
            with suppress(SourceGone):
                look_again(context, found)
        return found
    if not adds:
        raise NotFound(
            f"no dataset is registered from {place}",
            hint="See `headstart dataset list`, or add it with `headstart dataset add`.",
        )
    return _added(context, place, on_error, of_numbers)


def _is_data(given: Any) -> bool:
    """Whether it is data in memory of the kinds that are no others' as well."""
    is_held = isinstance(given, tuple | list | dict | np.ndarray)
    return is_held or (hasattr(given, "__arrow_c_stream__") and hasattr(given, "shape"))


def _check_no_names(data: Any) -> None:
    """See that a list is not one of texts, which may be meant for the names of several datasets.

    Raises:
        RegistryError: it is.
    """
    texts = data.reshape(-1).tolist() if isinstance(data, np.ndarray) else data
    if isinstance(texts, list) and texts and all(isinstance(one, str) for one in texts):
        named = ", ".join(repr(one[:60]) for one in texts[:3])
        more = ", …" if len(texts) > 3 else ""
        raise RegistryError(
            f"received a list of {len(texts):,} texts instead of a dataset: {named}{more}",
            hint="Give datasets one at a time; texts that are samples are added by a name first: "
            "ws.datasets.add(name, texts).",
        )


@holding
def _held(context: Context, data: Any, on_error: str, of_numbers: bool) -> str:
    """The name of data in memory, which are found again by their content, or registered."""
    kept = _kept(context.config.contents, data, on_error)
    found = _find_held(context, kept)
    if found is not None:
        return found
    from headstart.jobs.datasets.add import add

    taken = {one.name for one in context.datasets.find_all()}
    name = free_name("data", taken.__contains__)
    added = add(context, name, data, on_error=on_error, of_numbers=of_numbers).dataset
    tell(f"{kept.origin} is registered as the dataset {added.name!r}")
    return added.name


def _get_held(context: Context, data: Any) -> str:
    """The name of data in memory that are registered; nothing is written into the workspace.

    Raises:
        NotFound: they are not.
    """
    with scratch_folder() as folder:
        kept = _kept(folder, data, "fail")
    found = _find_held(context, kept)
    if found is None:
        raise NotFound(
            f"{kept.origin} is not registered as a dataset", hint="Add it with `ws.datasets.add`."
        )
    return found


def _kept(folder: Path, data: Any, on_error: str) -> sources.Kept:
    kept = sources.kept_in(Contents(folder), data, None, sources.checked_on_error(on_error))
    assert kept is not None  # it is no path
    return kept


def _find_held(context: Context, kept: sources.Kept) -> str | None:
    """The name of the dataset of a content, wherever that is kept just now."""
    place = context.config.contents / kept.path.name
    known = context.datasets.find_by_source(str(place))
    same = (one.name for one in known if _own_options(one) == dict(kept.options))
    return next(same, None)


def is_dataset_source(text: str | Path) -> bool:
    """Whether there is something by that text which may be a dataset's source."""
    return _find_place(text) is not None


def _find_place(given: str | Path) -> str | None:
    """A source as datasets store it; None where nothing is, or of no known kind."""
    if not str(given).strip():
        return None
    place = sources.located(given)
    if sources.is_gone(place):
        return None
    is_path = Path(place).is_absolute()
    return place if is_path or sources.find_kind(place) is not None else None


def _said_which(dataset: Dataset, place: str | None) -> str:
    """Its name; a line if there is a file of that name which is something else."""
    if place is not None and place != dataset.source:
        tell(
            f"{dataset.name!r} is the registered dataset, from {dataset.source}; for what lies "
            f"here give {place}"
        )
    return dataset.name


def _find_registered(context: Context, place: str) -> str | None:
    """The name of a dataset of that source that was added without options of its own.

    Where there are several, the one that is called like the source, then the oldest.
    """
    known = context.datasets.find_by_source(place) or datasets_from(context, place)
    same = [one.name for one in known if not _own_options(one)]
    if not same:
        return None
    usual = _name(place)
    name = usual if usual in same else same[0]
    if name != usual:
        tell(f"{place} is registered as the dataset {name!r}")
    return name


def _own_options(dataset: Dataset) -> dict[str, Any]:
    """What was said of its source when it was added."""
    try:
        options = sources.SOURCES[dataset.kind].options
    except DatasetError:  # of a plug-in that is not here
        return {"kind": dataset.kind}
    names = {option.name for option in options} - OF_NO_MATTER
    found = str(dataset.options.get("split")).startswith("column:")
    names -= {"split_column"} if found else set()
    return {name: value for name, value in dataset.options.items() if name in names}


def _added(context: Context, place: str, on_error: str, of_numbers: bool) -> str:
    taken = {one.name for one in context.datasets.find_all()}
    others = [one.name for one in context.datasets.find_by_source(place)]
    from headstart.jobs.datasets.add import add  # whoever gives a name does not need it

    name = free_name(_name(place), taken.__contains__)
    with root_of_add(), _options_said(name, place):
        added = add(context, name, place, on_error=on_error, of_numbers=of_numbers).dataset
    also = f"; {', '.join(others)} has options of its own" if others else ""
    tell(f"{place} is registered as the dataset {added.name!r}{also}")
    return added.name


@contextmanager
def _options_said(name: str, place: str) -> Iterator[None]:
    """What an error advises are options of `dataset add`; whoever gives a source has none."""
    try:
        yield
    except DatasetError as error:
        others = (error.hint or "").replace("--on-error", "").replace(ROOT, "")
        if OPTION.search(others):
            told = f"Such options go with `headstart dataset add {name} {quote(place)}`"
            error.hint = f"{error.hint} {told}; then give {name!r}."
        raise


def _name(place: str) -> str:
    return name_of(place, "dataset", is_file=not Path(place).is_dir())
