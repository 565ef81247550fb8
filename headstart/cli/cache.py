"""`features explain|gc|compact|reindex|sync|import`: care of the feature cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headstart.cli.extract import loss_text
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    precision_option,
    progress_bar,
    size_text,
    table,
    text,
    with_options,
)
from headstart.values.sizes import bytes_in


def register(group: click.Group) -> None:
    backbone = click.argument("backbone", metavar="BACKBONE[@CUT[,CUT...]]")
    dataset = click.argument("dataset")
    command(group, "explain")(backbone(dataset(precision_option(_explain))))
    command(group, "gc")(_with_choices(_collect))
    command(group, "compact")(click.argument("key", required=False)(_compact))
    command(group, "reindex")(_reindex)
    to = click.argument("to", type=click.Path(path_type=Path))
    chosen = click.option("--set", "sets", multiple=True, metavar="KEY", help="This feature set.")
    command(group, "sync")(to(chosen(_sync)))
    one = click.argument("backbone", metavar="BACKBONE[@CUT]")
    file = click.argument("file", type=click.Path(path_type=Path))
    check = click.option(
        "--check",
        type=int,
        default=16,
        show_default=True,
        help="Compare this many rows with the real model first; 0 trusts the file.",
    )
    command(group, "import")(one(dataset(file(check(_import)))))


class Size(click.ParamType):
    """`500MB`, `20GiB`, `1000`: bytes; units are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        found = bytes_in(value)
        if found is None:
            self.fail(f"{value!r} is not a size, such as 20GB", param, ctx)
        return found


def _with_choices(function: Any) -> Any:
    options = (
        click.option(
            "--unreachable",
            is_flag=True,
            help="Include feature sets of backbones that are no longer registered.",
        ),
        click.option(
            "--unknown",
            is_flag=True,
            help="Include feature sets that the database does not know (`reindex` would register "
            "them).",
        ),
        click.option("--set", "sets", multiple=True, metavar="KEY", help="This feature set."),
        click.option(
            "--quota",
            type=Size(),
            help="Include the sets used longest ago until the rest fits this size, such as 20GB.",
        ),
        click.option(
            "--apply/--dry-run",
            default=False,
            help="Delete. Without this option the command only shows what it would delete.",
        ),
    )
    return with_options(function, *options)


def _explain(call: Call, backbone: str, dataset: str, precision: str) -> Result:
    """Say what `extract` would compute, why, and about how long it would take."""
    found = call.open().cache.explain(backbone, dataset, precision)
    rows = [
        (cut.cut, reason.samples, reason.why, reason.example)
        for cut in found.cuts
        for reason in cut.reasons
    ]

    def show(out: Any) -> None:
        if rows:
            out.print(table(None, ("cut", ">samples", "why", "such as"), rows))
        for cut in found.cuts:
            if cut.damaged_shards:
                out.print(f"{cut.cut}: {cut.damaged_shards} shards are missing or damaged.")
            if cut.unreadable:
                out.print(f"{cut.cut}: {cut.unreadable:,} contents could not be read before.")
            if line := _calibration(cut):
                out.print(text(line), soft_wrap=True)
        out.print(text(_forecast(found)), soft_wrap=True)

    return Result(found, show)


def _calibration(cut: Any) -> str:
    """Of features in int8, by what the trunk was calibrated and what that costs."""
    found = cut.calibration
    if found is None:
        return f"{cut.cut}: not calibrated for int8 yet." if cut.precision == "int8" else ""
    by = f"{found['calibrated_by']:,} samples of {found['dataset']}; {loss_text(found)}"
    if found["refused"]:
        return (
            f"{cut.cut}: no calibration for int8 is in use: one was refused for what it loses, by "
            f"{by}. Allow it with extract --precision int8 --max-loss POINTS."
        )
    return f"{cut.cut}: {cut.precision}, calibrated by {by}."


def _forecast(found: Any) -> str:
    if not found.to_compute:
        unread = max((cut.unreadable for cut in found.cuts), default=0)
        readable = "contents" if not unread else "contents that could be read"
        return f"Nothing to compute: all {found.unique - unread:,} {readable} have their features."
    stored = "" if found.bytes is None else f", {size_text(found.bytes)} to store"
    if found.seconds is None:
        time = "; no run has been measured yet"
    else:
        time = f", about {found.seconds:,.0f} s at {found.rate:,.1f} a second"
    return f"{found.to_compute:,} of {found.unique:,} contents to compute{stored}{time}."


def _collect(call: Call, apply: bool, sets: tuple[str, ...], **given: Any) -> Result:
    """Delete what nobody needs: files that the database does not know, damaged shards, old
    manifests, what was kept of complete extractions a month ago, and temporary folders of killed
    commands.

    Feature sets are deleted only if an option names them. Whatever a job or an open view uses
    is left alone.
    """
    from headstart.extractors.cache.gc import UNREADABLE, Choice

    done = call.open().cache.gc(Choice(sets=sets, **given), apply=apply)
    for one in done.found:
        if one.kind == UNREADABLE:
            note(f"warning: {one.what}")
    rows = [
        (one.kind, size_text(one.size), "in use" if one.held else "", _short(one.what))
        for one in done.found
        if one.kind != UNREADABLE
    ]
    free = size_text(done.bytes)

    def show(out: Any) -> None:
        if rows:
            out.print(table(None, ("why", ">size", "=", "what"), rows))
        if not rows:
            out.print("Nothing to collect.")
        elif apply:
            out.print(f"{len(done.deleted):,} of {len(rows):,} deleted, {free} freed.")
        else:
            out.print(f"{free} would be freed; nothing was deleted. Add --apply.")

    return Result(done, show)


def _short(what: str) -> str:
    return Path(what).name if "/" in what and Path(what).is_absolute() else what


def _compact(call: Call, key: str | None) -> Result:
    """Merge small shards: of the feature set KEY, or of all."""
    with progress_bar("compacting", "rows") as progress:
        done = call.open().cache.compact(key, progress)
    line = f"{done.before:,} shards before, {done.after:,} now."
    return Result(done, lambda out: out.print(line))


def _reindex(call: Call) -> Result:
    """Register shards and heads that are on disk but not in the database."""
    with progress_bar("reindexing", "files") as progress:
        found = call.open().cache.reindex(progress)
    for damaged in found.damaged:
        note(f"warning: {damaged['reason']}")
    line = (
        f"{found.files:,} files: {found.added:,} registered and {found.restored:,} restored, "
        f"{found.rows:,} rows in {len(found.feature_keys)} feature sets; "
        f"{len(found.damaged):,} damaged."
    )
    line += f" Heads that are back: {', '.join(found.heads)}." if found.heads else ""
    return Result(found, lambda out: out.print(text(line), soft_wrap=True))


def _sync(call: Call, to: Path, sets: tuple[str, ...]) -> Result:
    """Copy feature sets to the workspace TO, in a folder or a bucket.

    What is there already is not copied again. Register backbones and datasets there as usual:
    rows are found by content.
    """
    with progress_bar("copying", "bytes") as progress:
        done = call.open().cache.sync(to, sets, progress)
    for damaged in done.damaged:
        note(f"warning: {damaged}")
    line = (
        f"{len(done.feature_keys):,} feature sets: {done.shards:,} shards copied "
        f"({done.rows:,} rows, {size_text(done.bytes)}), {done.reused:,} were there."
    )
    return Result(
        done,
        lambda out: out.print(text(line), soft_wrap=True),
        failed=f"damaged shards: {len(done.damaged):,}, see above" if done.damaged else "",
    )


def _import(call: Call, backbone: str, dataset: str, file: Path, check: int) -> Result:
    """Store the features in FILE, an .npz made elsewhere, as those of BACKBONE at CUT.

    FILE has `features` and, row for row, `digests` or `ids` of the dataset's samples.
    """
    with progress_bar("importing", "rows") as progress:
        found = call.open().cache.import_features(
            backbone, dataset, file, check=check, progress=progress
        )
    difference = (
        "" if found.max_abs_diff is None else f", largest difference {found.max_abs_diff:.2g}"
    )
    line = (
        f"{found.rows:,} rows: {found.added:,} stored, {found.reused:,} were there, "
        f"{found.foreign:,} of no sample; {found.checked} compared with the model{difference}."
    )
    return Result(found, lambda out: out.print(text(line), soft_wrap=True))
