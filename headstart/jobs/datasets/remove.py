"""`ws.datasets.remove`: a dataset is forgotten, and with it what people
corrected of it, or said."""

from __future__ import annotations

from headstart.context import Context
from headstart.errors import StillInUse
from headstart.extractors.datasets.corrections import Corrections, some
from headstart.jobs.datasets.add import heads_on
from headstart.registry.audit.corrections import PENDING, UNDONE
from headstart.registry.entities import Dataset
from headstart.registry.jobs import name_queued
from headstart.visible import in_number


def remove(context: Context, name: str, *, force: bool = False) -> Dataset:
    """See `Datasets.remove`. What would go with it is looked for in the transaction that removes
    it."""
    with context.database.together():
        dataset = context.datasets.get_alone(name)
        uses = _uses(context, dataset)
        if uses and not force:
            raise StillInUse(
                f"dataset {dataset.name!r} is in use: {'; '.join(uses)}",
                hint="Remove it anyway with --force; the corrections go with it (their "
                "journal stays), heads on it can be neither judged nor trained again, and jobs "
                "not be done.",
            )
        # Another dataset of that name is not what was spoken of.
        context.corrections.mark(_pending(context, dataset), UNDONE)
        return context.datasets.remove(dataset.name)


def _uses(context: Context, dataset: Dataset) -> list[str]:
    """What would be lost, in words."""
    corrections = Corrections.of(dataset.options).to_text()
    pending = len(_pending(context, dataset))
    waiting = in_number(f"{pending:,} corrections are not applied yet") if pending else ""
    heads = heads_on(context, dataset.name)
    trained = f"{len(heads):,} heads were trained on it, {some(heads)}"
    with context.database.reading() as connection:
        queued = name_queued(connection, dataset=dataset.name)
    return [one for one in (corrections, waiting, trained if heads else "", queued) if one]


def _pending(context: Context, dataset: Dataset) -> list[int]:
    """The numbers of what was said of its samples and not applied."""
    return [one.id for one in context.corrections.find(dataset.name, (PENDING,))]
