"""What was at an address, and is fetched again when it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headstart.context import Context
from headstart.extractors import datasets as sources
from headstart.notices import tell
from headstart.registry.entities import Dataset
from headstart.storage.contents import Contents

UNSETTLED = "was new when it was fetched, and is fetched once more: it may have changed since"


def fetched_from(context: Context, address: str) -> Iterator[sources.Fetched]:
    """The files of datasets that were fetched from an address."""
    for one in datasets_from(context, address):
        found = sources.Fetched.of(one.options, Path(one.source))
        assert found is not None
        yield found


def datasets_from(context: Context, address: str) -> list[Dataset]:
    """The datasets whose files were fetched from an address."""
    known = context.datasets.find_all()
    of = sources.FETCHED
    return [one for one in known if of in one.options and one.options[of]["address"] == address]


def fetched_anew(context: Context, dataset: Dataset) -> Dataset:
    """The dataset, with what lies at its address now for its source if that has changed; one that
    was not fetched, or of which the server does not say, as it is.

    So is what had changed just before it was fetched, once: what the server said of it then would
    have been the same after another change.

    Its file is young then, also where its content is as before: it is gone through again.

    Raises:
        SourceGone, DatasetError, StorageError: see `sources.fetch`.
    """
    before = sources.Fetched.of(dataset.options, Path(dataset.source))
    if before is None:
        return dataset
    if before.is_here:
        now = before.stat_now()
        if not now:
            tell(
                f"{before.address}: nothing says whether it has changed since it was fetched; "
                f"`headstart dataset add {dataset.name} {before.address}` fetches it again"
            )
            return dataset
        if now == before.stat:
            return dataset
        had_settled = bool(before.stat)
        tell(f"{before.address} {'has changed' if had_settled else UNSETTLED}")
    contents = Contents(context.config.contents)
    options = {"store_options": before.store_options, "root": dataset.options.get("root")}
    known = [before] if before.is_here else []
    kept = sources.keep_fetched(
        before.address, dataset.kind, contents, options, lambda _: iter(known)
    )
    return replace(dataset, source=str(kept.path), options={**dataset.options, **kept.stored})
