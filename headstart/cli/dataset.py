"""`dataset`: register, list, refresh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.exploration import changes
from headstart.cli.names import tags as tag_commands
from headstart.cli.names.chosen import empty_text, list_options, selection_of
from headstart.cli.names.tags import tag_option, tags_text
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    progress_bar,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import SEED
from headstart.cli.workspace.defaults import is_typed
from headstart.registry.selection.words import tags_in_words
from headstart.values.quantities import range_of

if TYPE_CHECKING:
    from headstart.cli.names.tags import Tags
    from headstart.extractors.datasets import Option
    from headstart.jobs.datasets.correct import Corrected
    from headstart.jobs.datasets.details import DatasetDetails
    from headstart.storage.manifest import Manifest
    from headstart.workspace import Workspace


LISTED = 20
"""Samples that could not be read, on screen."""


def register(cli: click.Group) -> None:
    group = click.Group("dataset", help="Registered datasets.")
    arguments = (click.argument("name"), click.argument("source"), tag_option)
    command(group, "add", more=_options)(with_options(_add, *arguments))
    command(group, "list")(list_options(_list))
    tag_commands.register(group, _tag)
    command(group, "show")(click.argument("name")(_show))
    changes.register(group)
    command(group, "refresh")(click.argument("name")(_refresh))
    anyway = "Also where fewer than half of the samples are there."
    force = click.option("--force", is_flag=True, help=anyway)
    command(group, "move")(
        with_options(_move, click.argument("name"), click.argument("path"), force)
    )
    command(group, "forget-failures")(click.argument("name")(_forget_failures))
    command(group, "resplit", more=_split_options)(click.argument("name")(_resplit))
    file = click.argument("file", type=click.Path(path_type=Path), metavar="FILE.csv")
    command(group, "correct")(with_options(_correct, click.argument("name"), file))
    exclude = with_options(
        _exclude,
        click.argument("name"),
        click.argument("ids", nargs=-1, required=True),
        click.option("--undo", is_flag=True, help="Include samples again that were left out."),
    )
    command(group, "exclude")(exclude)
    uses = "Also while it has corrections, heads were trained on it, or jobs are queued."
    force = click.option("--force", is_flag=True, help=uses)
    command(group, "remove")(with_options(_remove, click.argument("name"), force))
    cli.add_command(group)


def _options() -> list[click.Parameter]:
    """Of `dataset add`: the kinds, and what each declares."""
    from headstart.extractors.datasets import SOURCES, WINDOW_OPTIONS, declared

    known = list(SOURCES.values())
    kinds = ", ".join(one.kind for one in known)
    options = declared(known)
    holders = {
        name: [one.kind for one in known if name in {option.name for option in one.options}]
        for name in options
    }
    made = [_option(option, holders[name], len(known)) for name, option in options.items()]
    kind = click.Option(["--kind"], help=f"{kinds}, if the name does not tell.")
    on_error = click.Option(
        ["--on-error"],
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="What to do about a row or file that is not a sample, such as one without a label.",
    )
    windows = [_option(option, [], 0) for option in WINDOW_OPTIONS]
    return [kind, *_split_options(), on_error, *windows, *made]


def _split_options() -> list[click.Parameter]:
    from headstart.extractors.datasets import SPLIT

    seed = click.Option(
        ["--seed"], type=SEED, help="The seed by which samples are dealt out. Default: 0."
    )
    return [_option(SPLIT, [], 0), seed]


def _option(option: Option, holders: list[str], kinds: int) -> click.Option:
    """An option of a source, with the kinds that know it unless all do."""
    is_path = option.takes in ("file", "folder")
    of = f"{', '.join(holders)}: " if len(holders) < kinds else ""
    return click.Option(
        [option.flag, option.name],
        help=f"{of}{option.help[:1].lower() if of else option.help[:1]}{option.help[1:]}",
        type=click.Path() if is_path else None,
        multiple=option.takes in ("texts", "settings"),
        metavar=option.metavar,
    )


def _add(call: Call, name: str, source: str, tags: tuple[str, ...], **options: Any) -> Result:
    """Register SOURCE: a folder of class folders, a CSV, TSV or JSONL, an .npz or .npy, Parquet or
    Arrow files, hf:ID[:SPLIT], tars, TFRecord files, tfds:NAME, annotations of COCO or YOLO, a
    folder with metadata; a folder also at s3://, gs:// or az://; a table, one tar, Parquet, Arrow
    or NumPy file also there and at https://."""
    from headstart.jobs.datasets.add import add

    workspace, tagged = call.open(makes=True), tags_in_words(tags)
    options |= _usual(workspace, name, options)
    with progress_bar("reading", "files") as progress:
        added = add(workspace.context, name, source, progress=progress, **options)
    if tagged:
        added = replace(added, dataset=workspace.context.datasets.set_tags(name, tagged))
    if options["root"] is None and _names_files(added.dataset.kind):
        _note_outside(added.manifest)
    return _shown(added)


def _usual(workspace: Workspace, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What nobody said on the command line of how samples are split: of a new dataset only, where
    the source does not say it."""
    found = {one: options[one] for one in ("split", "seed") if not is_typed(one)}
    found = {one: value for one, value in found.items() if value is not None}
    if not found:
        return {}
    if all(one.name != name for one in workspace.context.datasets.find_all()):
        split = found.pop("split", None)
        return {} if split is None else {"split": None, "usual_split": split}
    told = " and ".join(f"{one} {value}" for one, value in found.items())
    note(
        f"note: dataset {name!r} is there: its samples keep their splits, whatever the default is "
        f"({told}); `dataset resplit` deals them again"
    )
    return dict.fromkeys(found)


def _names_files(kind: str) -> bool:
    """Whether datasets of a kind are of files that may lie anywhere."""
    from headstart.extractors.datasets import SOURCES

    return any(option.name == "root" for option in SOURCES[kind].options)


def _note_outside(manifest: Manifest) -> None:
    """Say how many files of a table lie elsewhere: it may be another's, and name anything."""
    from headstart.storage.windowed.wholes import wholes_of

    outside, files = list[str](), 0
    folder = _normal(manifest.source).rpartition("/")[0]
    for block in wholes_of(manifest).columns.blocks():
        places = [one for one in block.locations if isinstance(one, str)]
        files += len(places)
        outside += [one for one in places if not _normal(one).startswith(f"{folder}/")]
    if outside:
        note(
            f"note: {len(outside):,} of {files:,} files lie outside of the table's folder, "
            f"such as {outside[0]!r}; --root {folder or '/'} would refuse them"
        )


def _normal(place: str) -> str:
    """A path without `..`, with `/`; an address as it is."""
    from headstart.extractors.datasets import is_address

    return place if is_address(place) else os.path.normpath(place).replace(os.sep, "/")


def _list(call: Call, filters: tuple[str, ...], sort: str | None, limit: int | None) -> Result:
    """List the registered datasets."""
    from headstart.registry import listing

    selection = selection_of(filters, sort, limit)
    rows = listing.datasets(call.config, selection)
    columns = ("name", "=kind", ">samples", ">?unique", ">classes", "source")
    columns += ("?tags",) if any(row["tags"] for row in rows) else ()
    cells = [
        (
            *(r["name"], r["kind"], _count(r), r["unique_samples"], _classes(r)),
            *(r["source"], tags_text(r["tags"])),
        )[: len(columns)]
        for r in rows
    ]
    none = "No datasets yet. Add one with `headstart dataset add NAME FOLDER`."
    empty = text(empty_text(selection, none))
    return Result(rows, lambda out: out.print(table(None, columns, cells) if rows else empty))


def _tag(call: Call, name: str, tags: Tags) -> Result:
    datasets = call.open().datasets
    return _shown(datasets.details(datasets.tag(name, tags)))


def _classes(row: dict[str, Any]) -> int | str:
    """How many classes there are; numbers are none."""
    are_numbers = range_of(row["classes"], row["samples"]) is not None
    return "numbers" if are_numbers else len(row["classes"])


def _count(row: dict[str, Any]) -> int | str:
    """The samples of a dataset; windows are called so."""
    return f"{row['samples']:,} windows" if row["windows"] else row["samples"]


def _show(call: Call, name: str) -> Result:
    """Show a dataset: its source, classes, splits, and samples that could not be read."""
    return _shown(call.open(name).datasets.details(name))


def _refresh(call: Call, name: str) -> Result:
    """Look at the source again. Only changed files are read."""
    from headstart.jobs.datasets.named import dataset_named
    from headstart.jobs.datasets.refresh import refresh

    workspace = call.open(name)
    known = dataset_named(workspace.context, name, looks=False)
    with progress_bar("reading", "files") as progress:
        return _shown(refresh(workspace.context, known, progress))


def _move(call: Call, name: str, path: str, force: bool) -> Result:
    """Tell where the data of NAME are now. All files are hashed; splits and features stay."""
    from headstart.jobs.datasets.move import move

    with progress_bar("reading", "files") as progress:
        done = move(call.open().context, name, path, progress, force=force)
    shown = _shown(done.details)

    def show(out: Any) -> None:
        told = (
            f"{done.same:,} of {done.samples_before:,} samples are as they were at {done.before}."
        )
        out.print(text(told), soft_wrap=True)
        shown.show(out)

    return Result(done, show)


def _forget_failures(call: Call, name: str) -> Result:
    """Let the next extraction try unreadable samples again."""
    found = call.open().datasets.forget_failures(name)
    line = f"{len(found):,} samples of {name} will be tried again."
    return Result(found, lambda out: out.print(text(line)))


def _resplit(call: Call, name: str, split: str | None, seed: int | None) -> Result:
    """Deal the samples of a dataset to the splits again. The scores of its heads become void."""
    workspace = call.open(name)
    with progress_bar("reading", "files") as progress:
        done = workspace.datasets.resplit(name, split, seed=seed, progress=progress)
    shown = _shown(done.details)

    def show(out: Any) -> None:
        out.print(text(f"{done.moved:,} samples moved to another split."))
        if done.voided:
            heads = ", ".join(done.voided)
            out.print(text(f"Scores of other splits, train again: {heads}."), soft_wrap=True)
        shown.show(out)

    return Result(done, show)


def _correct(call: Call, name: str, file: Path) -> Result:
    """Change labels and leave samples out as FILE says. This makes a new version of the
    dataset.

    FILE has the columns id, new_label and exclude, as written by `features audit --output`. The
    source is never edited; corrections are applied whenever it is read.
    """
    return _changed(call.open(name).datasets.correct(name, file))


def _exclude(call: Call, name: str, ids: tuple[str, ...], undo: bool) -> Result:
    """Leave samples out by their ids, or include them again. This makes a new version of the
    dataset.
    """
    return _changed(call.open(name).datasets.exclude(name, ids, undo=undo))


def _changed(done: Corrected) -> Result:
    rows = [(id_, *pair) for id_, pair in done.labels.items()]
    rows += [(id_, None, "left out") for id_ in done.excluded]
    rows += [(id_, None, "taken back") for id_ in done.restored]
    counts = {
        "labels changed": len(done.labels),
        "samples left out": len(done.excluded),
        "taken back": len(done.restored),
        "rows left empty": done.untouched,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    line = f"Dataset {done.dataset.name}: {told or 'nothing to change'}. Splits did not change."

    def show(out: Any) -> None:
        if rows:
            out.print(table(None, ("sample", "label before", "now"), rows[:LISTED]))
        if len(rows) > LISTED:
            out.print(text(f"and {len(rows) - LISTED:,} more; --json lists all"))
        out.print(text(line))

    return Result(done, show)


def _remove(call: Call, name: str, force: bool) -> Result:
    """Remove a dataset. Refused while it has corrections or heads. Features stay in the cache."""
    from headstart.jobs.outcomes import Removed

    gone = Removed(call.open().datasets.remove(name, force=force).name)
    return Result(gone, lambda out: out.print(text(f"Removed dataset {gone.removed}.")))


CUTTING = ("window", "hop", "frames", "every")


def _labels(details: DatasetDetails) -> Any:
    """Samples, or windows, of each class in each split; or how large the numbers are that they are
    labelled with."""
    if details.numbers:
        numbers = [
            (name, count, *(f"{value:.6g}" for value in ends))
            for name, (count, *ends) in details.numbers.items()
        ]
        return table(None, ("labels", ">n", ">least", ">median", ">largest"), numbers)
    unit = ">all" if details.windows_of is None else ">all windows"
    columns = ("class", *(f">{split}" for split in details.splits), unit)
    rows = [(name, *counts, sum(counts)) for name, counts in details.counts.items()]
    totals = details.splits.values()
    return table(None, columns, [*rows, ("all", *totals, sum(totals))])


def _shown(details: DatasetDetails) -> Result:
    dataset, failures, skipped = details.dataset, details.failures, details.skipped

    def show(out: Any) -> None:
        what, wholes = "samples", details.windows_of
        if wholes is not None:
            given = dataset.options
            told = " ".join(f"--{name} {given[name]}" for name in CUTTING if name in given)
            what = f"windows of {wholes:,} samples ({told})"
        line = f"{dataset.name}: {dataset.samples:,} {what}, {dataset.unique:,} different, from "
        out.print(text(line + details.origin), soft_wrap=True)
        if told := tags_text(dataset.tags):
            out.print(text(f"tags  {told}"))
        out.print(text(f"splits  {details.split_words}"))
        if (told := details.weights) is not None:
            out.print(text(f"weights  {told['least']:g} to {told['largest']:g}, where heads train"))
        if details.corrections:
            out.print(text(f"corrected  {details.corrections}"))
        out.print(_labels(details))
        if details.numbers:
            learnt = f"headstart head train NAME BACKBONE {dataset.name} --task regression"
            out.print(text(f"learnt by  {learnt}"), soft_wrap=True)
        if skipped["count"]:
            out.print(text(f"{skipped['count']:,} samples were skipped:"))
            for why in skipped["first"]:
                out.print(text(f"  {why}"), soft_wrap=True)
        if failures:
            out.print(text(f"{len(failures):,} could not be read and are left out:"))
            listed = [(one.id, one.reason) for one in failures[:LISTED]]
            out.print(table(None, ("sample", "reason"), listed))
        if len(failures) > LISTED:
            out.print(text(f"and {len(failures) - LISTED:,} more; --json lists all"))

    return Result(details, show)
