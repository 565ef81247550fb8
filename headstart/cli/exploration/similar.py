"""`similar`: what in a dataset is most like a picture, a text, or a sample of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.exploration.limits import seed_option
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    precision_option,
    progress_bar,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER
from headstart.errors import HeadstartError, InputMissing

if TYPE_CHECKING:
    from headstart.jobs.exploration.similar import Similar


def register(cli: click.Group) -> None:
    made = with_options(
        _similar,
        click.argument("sample", metavar="FILE|TEXT|ID"),
        click.argument("dataset", required=False),
        click.option(
            "--backbone",
            "-b",
            metavar="BACKBONE[@CUT]",
            help="By whose features; the only backbone there is without it.",
        ),
        click.option(
            "--text-backbone",
            metavar="BACKBONE[@CUT]",
            help="FILE is a text, whose features this backbone gives, in the space of --backbone. "
            "Not needed where the tag text-backbone of --backbone names it.",
        ),
        click.option(
            "--n",
            "count",
            type=NUMBER,
            default=10,
            show_default=True,
            help="How many matches.",
        ),
        precision_option,
        click.option(
            "--index/--exact",
            default=None,
            help="Look by an index, which is made once, or compare all samples. Default: an index "
            "of more than 1,000,000 samples.",
        ),
        click.option(
            "--limit",
            type=NUMBER,
            help="Look at so many samples at most, chosen by seed. Default: all.",
        ),
        seed_option,
        on_error_option,
    )
    command(cli, "similar")(made)


def _similar(
    call: Call,
    sample: str,
    dataset: str | None,
    backbone: str | None,
    text_backbone: str | None,
    count: int,
    precision: str,
    index: bool | None,
    limit: int | None,
    seed: int,
    on_error: str,
) -> Result:
    """What in DATASET is most similar to a file, the files of a folder, a text, or one of its own
    samples (its ID), by the cosine of their features. What is missing in the cache is extracted
    first. Pictures can be asked about by a TEXT if a backbone of texts shares their space.

    DATASET and --backbone may be left out where there is only one.
    """
    from headstart.cli.extract import extract_missing
    from headstart.jobs.exploration.looked_at import rows_named
    from headstart.jobs.raw_samples import refuse_empty

    refuse_empty(sample)  # before features are extracted for it
    workspace = call.open(*[one for one in (backbone, dataset) if one is not None])
    by = backbone or _only(workspace.backbones, "backbone", "--backbone NAME")
    among = dataset or _only(workspace.datasets, "dataset", "DATASET")
    _check_sample(workspace, by, among, sample, text_backbone)  # likewise
    view = extract_missing(workspace, by, among, precision, on_error=on_error)
    is_own = bool(rows_named(view.samples, [sample]))
    if is_own and Path(sample).exists():
        note(f"{sample} is the sample of {among} of that name; ./{sample} is the file.")
    way = "ids" if is_own else "samples"
    if text_backbone or (not is_own and _is_text(workspace, view, sample)):
        way = "texts"
    given: dict[str, Any] = {way: sample}
    how: dict[str, Any] = {"precision": precision, "index": index, "limit": limit, "seed": seed}
    with progress_bar("indexing", "samples") as progress:
        how |= {"on_error": on_error, "progress": progress, "text_backbone": text_backbone}
        with _hinted(are_joined=len(view.origin.blocks) > 1):
            found = workspace.similar(by, among, count=count, **how, **given)

    def show(out: Any) -> None:
        told = found[0]
        by_index = "" if told.recall is None else _index_text(told.recall)
        line = f"Of {told.samples:,} samples of {told.dataset}, by {told.backbone}{by_index}:"
        out.print(text(line))
        for one in found:
            title = f"to {one.query}" if len(found) > 1 else None
            out.print(table(title, ("sample", "=split", "label", ">similarity"), _rows(one)))

    return Result(found, show)


def _check_sample(
    workspace: Any, backbone: str, dataset: str, sample: str, given: str | None
) -> None:
    """See that what is asked about is a file, a sample of the dataset, or a text that something
    takes, as far as that is known before features are extracted.

    Raises:
        FeatureError: a text is asked about by joined features.
        InputMissing: it is none of these.
    """
    from headstart.extractors.datasets import is_address
    from headstart.jobs.backbones.text_tower import find_text_tower, of_one_backbone
    from headstart.jobs.raw_samples import Taker
    from headstart.registry.references import parts_of

    context, parts = workspace.context, parts_of(backbone)
    if given is None and (Path(sample).exists() or is_address(sample)):
        return
    try:
        known = [context.resolve(part)[0] for part in parts]
    except HeadstartError:  # a source that is not registered yet
        return
    if given is None and _is_own(workspace, dataset, sample):
        return
    if len(known) > 1 and given is not None:
        raise of_one_backbone(backbone)
    if len(known) == 1 and find_text_tower(context, known[0], given) is not None:
        return
    with _hinted(are_joined=len(known) > 1):
        list(Taker.of(context, known[0], of_wholes=True).take(sample))


def _is_own(workspace: Any, dataset: str, sample: str) -> bool:
    """Whether a dataset has a sample of that name; not known of a source that is not registered."""
    from headstart.jobs.exploration.looked_at import rows_named

    try:
        return bool(rows_named(workspace.datasets.manifest(dataset).columns, [sample]))
    except HeadstartError:
        return False


@contextmanager
def _hinted(*, are_joined: bool) -> Iterator[None]:
    """Errors of the block about something that is not there say what a text needs: it is none while
    no backbone takes it."""
    try:
        yield
    except InputMissing as error:
        error.hint = f"{error.hint} For a text, name what takes it: --text-backbone NAME" + (
            ", and a single --backbone: joined features have no space of texts."
            if are_joined
            else "."
        )
        raise


def _is_text(workspace: Any, view: Any, sample: str) -> bool:
    """Whether what is asked about is no file, and may be a text by another backbone."""
    from headstart.extractors.datasets import is_address
    from headstart.jobs.backbones.text_tower import find_text_tower

    blocks = view.origin.blocks
    if Path(sample).exists() or is_address(sample) or len(blocks) > 1:
        return False
    return find_text_tower(workspace.context, blocks[0].backbone) is not None


def _index_text(recall: float) -> str:
    return f"; an index was asked, which finds {recall:.1%} of the ten nearest"


def _rows(found: Similar) -> list[tuple[Any, ...]]:
    return [
        (match.sample.id, match.sample.split, match.sample.label, f"{match.similarity:.3f}")
        for match in found.matches
    ]


def _only(collection: Any, what: str, how: str) -> str:
    """The name of the only thing of a kind.

    Raises:
        click.UsageError: there are several, or none.
    """
    names = sorted({str(one.name) for one in collection.list()})
    if len(names) == 1:
        return names[0]
    there = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise click.UsageError(
        f"There are {len(names)} {what}s ({there}): name one by {how}."
        if names
        else f"There is no {what} yet: `headstart {what} add`."
    )
