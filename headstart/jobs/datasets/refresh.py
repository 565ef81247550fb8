"""`ws.datasets.refresh`: a dataset's source is looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from headstart.context import Context
from headstart.errors import HeadstartError, SourceGone
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import after_others, corrected
from headstart.jobs.datasets.add import (
    described,
    warn_of_copies,
    warn_of_differing_copies,
    warn_of_new,
    warn_of_skipped,
)
from headstart.jobs.datasets.details import DatasetDetails, details_of
from headstart.jobs.datasets.fetched import fetched_anew
from headstart.jobs.datasets.kept_data import held
from headstart.jobs.datasets.what_changed import tell_of_changes
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest

Amend = Callable[[dict[str, Any]], dict[str, Any]]
Journal = Callable[[Dataset, Dataset], None]


def refresh(context: Context, name: str | Dataset, progress: Progress = silent) -> DatasetDetails:
    """Look at the source again; only files that changed are read.

    Raises:
        SourceGone: the source is not there; the dataset is kept as it was.
    """
    return details_of(context, *look_again(context, name, progress))


def look_again(
    context: Context,
    name: str | Dataset,
    progress: Progress = silent,
    *,
    amended: Amend | None = None,
    journal: Journal | None = None,
) -> tuple[Dataset, Manifest]:
    """As `refresh`, without asking what could not be read: every extraction begins with it.

    Where somebody else changed the dataset meanwhile (dealt it anew, say), it is looked at once
    more, from what they made of it.

    Args:
        context: where.
        name: of the dataset.
        progress: as `refresh`.
        amended: gives other options of it, by which the whole source is read.
        journal: called with the dataset before and after, in the transaction of the change.

    Raises:
        SourceGone: see `refresh`.
    """
    while True:
        dataset = context.datasets.get(name)
        with held(context) if sources.FETCHED in dataset.options else nullcontext():
            now = fetched_anew(context, dataset)
            now = now if amended is None else replace(now, options=amended(now.options))
            _check_there(now)
            with sources.in_words(now.source, now.options.get("origin")):
                read = sources.rescan if amended is None else sources.scan
                found = _looked_at(context, dataset, now, partial(read, progress=progress), journal)
        if found is not None:
            return found


def _check_there(now: Dataset) -> None:
    if sources.is_gone(now.source):
        raise SourceGone(
            f"the source of dataset {now.name!r}, {now.source}, is not there",
            hint=f"If it was moved: `headstart dataset move {now.name} PATH`. Features in the "
            "cache can still be used.",
        )


def _looked_at(
    context: Context,
    dataset: Dataset,
    now: Dataset,
    read: Callable[..., Manifest],
    journal: Journal | None,
) -> tuple[Dataset, Manifest] | None:
    """The dataset as it is then; None where somebody else changed it meanwhile.

    Args:
        context: where.
        dataset: as it is registered.
        now: the same, or with what was fetched anew for its source, or with other options.
        read: the source, as `sources.rescan`.
        journal: see `look_again`.
    """
    previous = context.manifest(dataset)
    options, skipped = sources.as_stored(now.options), list[str]()
    opened = sources.open_source(now.kind, now.source, options, context.artifacts)
    with _options_of_add(now.name):
        manifest = read(opened, options, previous, skipped=skipped)
    if manifest is previous:
        return dataset, previous
    manifest = corrected(manifest, options)
    own = ("skipped", "unused")
    others = {key: value for key, value in now.options.items() if key not in own}
    stored = others | sources.listed(skipped)
    stored |= warn_of_new(opened, now.options.get("unused"))
    if manifest == previous and stored == dataset.options:
        return dataset, previous
    if manifest.digest != previous.digest:
        stored = after_others(stored)
    found = described(context, now.name, manifest, stored, previous)
    with context.database.together():
        updated = context.datasets.update(found, instead_of=dataset)
        if updated is not None and journal is not None:
            journal(dataset, updated)
    if updated is None:
        return None
    if stored.get("skipped") != now.options.get("skipped"):
        warn_of_skipped(opened.source, skipped)
    tell_of_changes(now.name, previous, manifest)
    warn_of_copies(opened.source, manifest, previous)
    warn_of_differing_copies(opened.source, manifest, previous)
    return updated, manifest


ROOT, SKIP = "--root", "--on-error skip"


@contextmanager
def root_of_add() -> Iterator[None]:
    """A root is chosen when a dataset is added: any other command is told where."""
    try:
        yield
    except HeadstartError as error:
        if error.hint and ROOT in error.hint:
            error.hint += f" ({ROOT} is an option of `headstart dataset add`.)"
        raise


@contextmanager
def _options_of_add(name: str) -> Iterator[None]:
    """What is done about rows that are no samples was chosen when a dataset was added, as well as
    the root: whoever looks at it again is told where that is changed."""
    try:
        with root_of_add():
            yield
    except HeadstartError as error:
        if error.hint and SKIP in error.hint:
            add = f"an option of `headstart dataset add`: add {name!r} again as before with it"
            error.hint = error.hint.replace(SKIP, f"{SKIP}, {add}")
        raise
