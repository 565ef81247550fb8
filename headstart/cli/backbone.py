"""`backbone`: register, list, cut, name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli import bundle
from headstart.cli.names import tags as tag_commands
from headstart.cli.names.called import names_in
from headstart.cli.names.chosen import empty_text, list_options, selection_of
from headstart.cli.names.tags import tag_option, tags_text
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    precision_option,
    shape_text,
    size_text,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER, SEED
from headstart.registry.entities import TEXT_BACKBONE
from headstart.registry.selection.words import ALL, tags_in_words

if TYPE_CHECKING:
    from headstart.cli.names.tags import Tags
    from headstart.jobs.backbones.cuts import ListedCut
    from headstart.registry.entities import Backbone, Run


def register(cli: click.Group) -> None:
    group = click.Group("backbone", help="Registered pretrained models.")
    command(group, "add")(_with_add_options(_add))
    command(group, "list")(list_options(_list))
    command(group, "show")(click.argument("name")(_show))
    command(group, "cuts")(
        with_options(
            _cuts,
            click.argument("name"),
            click.argument("pattern", required=False),
            click.option("--all", "every", is_flag=True, help="Show all of them."),
        )
    )
    dataset = click.option("--dataset", help="Use its first samples. Default: random ones.")
    samples = click.option("--samples", type=int, default=32, show_default=True)
    seed = click.option("--seed", type=SEED, default=0, show_default=True)
    command(group, "preview")(
        with_options(
            _preview,
            click.argument("name"),
            click.argument("dataset"),
            click.option("--sample", metavar="ID", help="Which sample. Default: the first."),
        )
    )
    command(group, "verify")(click.argument("name")(dataset(samples(seed(_verify)))))
    command(group, "compile")(
        click.argument("name", metavar="NAME[@CUT]")(
            click.argument("dataset")(precision_option(_compile))
        )
    )
    command(group, "alias")(click.argument("alias")(click.argument("name")(_alias)))
    tag_commands.register(group, _tag)
    command(group, "remove")(
        click.argument("name")(
            click.option(
                "--force", is_flag=True, help="Remove it even if features, heads or jobs use it."
            )(_remove)
        )
    )
    bundle.register(group)
    cli.add_command(group)


def _with_add_options(function: Any) -> Any:
    options = (
        click.argument("name"),
        click.argument("source"),
        click.option(
            "--cut", help="The default cut. Default: the input of the last layer that has weights."
        ),
        click.option(
            "--preprocess",
            metavar="FILE|MODE",
            help="raw, unit, tf, torch, caffe, array, audio:RATE, a pipeline in JSON or TOML, or "
            "a tokenizer.",
        ),
        click.option(
            "--orient",
            type=click.Choice(["exif", "ignore"]),
            help="Whether to turn pictures as their EXIF note says. Default: ignore, as Keras "
            "does.",
        ),
        click.option("--licence", help="SPDX name, such as Apache-2.0."),
        click.option("--trust", is_flag=True, help="Load the file even if it brings code."),
        click.option(
            "--architecture",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="For a weights file: a saved model, or JSON, with the architecture.",
        ),
        click.option(
            "--custom-objects",
            type=click.Path(path_type=Path),
            metavar="FILE.py",
            help="A Python file with the model's own layers and functions; it is run.",
        ),
        click.option(
            "--max-model-bytes",
            type=NUMBER,
            metavar="N",
            help="Memory that an untrusted model may use. Default: a multiple of its file size.",
        ),
        tag_option,
    )
    return with_options(function, *options)


def _add(
    call: Call,
    name: str,
    source: str,
    cut: str | None,
    preprocess: str | None,
    orient: str | None,
    licence: str | None,
    tags: tuple[str, ...],
    trust: bool,
    custom_objects: Path | None,
    architecture: Path | None,
    max_model_bytes: int | None,
) -> Result:
    """Register SOURCE under NAME: a .keras or .h5 file, a SavedModel folder, applications:NAME,
    zoo:NAME, kerashub:DIR."""
    backbone = call.open(makes=True).backbones.add(
        name,
        source,
        cut=cut,
        preprocess=preprocess,
        orient=orient,
        licence=licence,
        tags=tags_in_words(tags),
        trust=trust,
        custom_objects=custom_objects,
        architecture=architecture,
        max_model_bytes=max_model_bytes,
        say=note,
    )
    for warning in backbone.warnings:
        note(f"warning: {warning}")
    return _shown(backbone)


def _list(call: Call, filters: tuple[str, ...], sort: str | None, limit: int | None) -> Result:
    """List the registered backbones."""
    from headstart.registry import listing

    selection = selection_of(filters, sort, limit)
    rows = listing.backbones(call.config, selection)
    none = "No backbones yet. See `headstart zoo list`, then `headstart backbone add`."
    empty = text(empty_text(selection, none))
    cells = list(map(_list_row, names_in(rows, are_all=selection == ALL), rows))
    shown = [
        place
        for place, column in enumerate(LIST_COLUMNS)
        if column not in RARE or any(row[place] for row in cells)
    ]
    columns = [LIST_COLUMNS[place] for place in shown]
    listed = [[row[place] for place in shown] for row in cells]
    return Result(rows, lambda out: out.print(table(None, columns, listed) if rows else empty))


LIST_COLUMNS = ("name", "=input", "default cut", "=feature", ">params")
LIST_COLUMNS += ("=?text backbone", ">?size", "=?licence", "?tags")
RARE = {"=?text backbone", "?tags"}
"""Columns that are there where a backbone has something in them."""


def _list_row(called: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        called,
        tuple(shape_text(tensor["shape"]) for tensor in row["inputs"]),
        row["cut"],
        shape_text(row["cut_shape"]),
        row["parameters"],
        row["tags"].get(TEXT_BACKBONE),
        size_text(row["artifact_size"]),
        row["licence"],
        tags_text({key: value for key, value in row["tags"].items() if key != TEXT_BACKBONE}),
    )


def _show(call: Call, name: str) -> Result:
    """Show a backbone: where it comes from, its preprocessing, its default cut."""
    backbones = call.open(name).backbones
    backbone = backbones.get_or_add(name)
    return _shown(backbone, backbones.find_verification(backbone.reference))


def _cuts(call: Call, name: str, pattern: str | None, every: bool) -> Result:
    """List the layers whose output can be used as features, from the input upwards.

    If there are many, only the useful ones are shown: bottlenecks at the end of a block,
    defaults and cached ones. PATTERN shows those whose name contains it, or matches it as a
    glob such as '*_add'. --json has all.
    """
    backbones = call.open(name).backbones
    backbone = backbones.get_or_add(name)
    found = backbones.cuts(backbone, pattern)
    is_short = pattern is None and not every and len(found) > FEW_CUTS
    shown = [cut for cut in found if cut.is_candidate] if is_short else found

    def show(out: Any) -> None:
        if not shown:
            out.print(text(f"No cut point of {name} is called like {pattern!r}."))
        else:
            out.print(table(None, CUT_COLUMNS, list(map(_cut_row, shown))))
        if is_short:
            out.print(
                text(
                    f"{len(shown):,} of {len(found):,} cut points: ends of blocks, the default, "
                    "what is cached. --all lists all, a PATTERN such as '*_add' those called so."
                )
            )
        for line in _cut_legend(backbone, shown):
            out.print(text(line))

    return Result(found, show)


FEW_CUTS = 25
"""Cut points that are all listed, without --all."""
CUT_COLUMNS = ("~cut", "=?operation", "=shape", ">params", ">?compute", "=")


def _cut_row(cut: ListedCut) -> tuple[Any, ...]:
    return (
        cut.name,
        cut.operation,
        shape_text(cut.shape),
        cut.parameters_below,
        "-" if cut.compute_below is None else f"{cut.compute_below:.0%}",
        _mark(cut),
    )


def _cut_legend(backbone: Backbone, shown: Sequence[ListedCut]) -> Iterator[str]:
    default = backbone.default_cut
    yield f"The default, {backbone.default_name}: {default.reason}."
    for cut in shown:
        others = [name for name in cut.default_of if name not in default.default_of]
        if others:
            names = ", ".join(f"default:{name}" for name in others)
            yield f"*{names}, {cut.name}: {cut.reason}."
    yield "|: a bottleneck, all paths from the input to the output pass through it."


def _preview(call: Call, name: str, dataset: str, sample: str | None) -> Result:
    """Show what each step of the preprocessing makes of a sample of DATASET."""
    found = call.open(name, dataset).backbones.preview(name, dataset, sample)
    rows = [
        (
            f"{one.input}: {one.step}" if one.input else one.step,
            shape_text(one.shape),
            one.dtype,
            "empty" if one.least is None else f"{one.least:.4g} to {one.most:.4g}",
        )
        for one in found
    ]
    columns = ("step", "shape", "type", ">from, to")
    return Result(found, lambda out: out.print(table(None, columns, rows)))


def _verify(call: Call, name: str, dataset: str | None, samples: int, seed: int) -> Result:
    """Compare trunk and tail with the whole model; the result is stored."""
    checks = call.open(name, *filter(None, [dataset])).backbones.verify(
        name, dataset=dataset, samples=samples, seed=seed
    )
    rows = [
        ("ok" if check.ok else "WRONG", check.what, f"{check.difference:.1e}") for check in checks
    ]
    return Result(
        checks,
        lambda out: out.print(table(None, ("=", "check", ">difference"), rows)),
        failed="" if all(check.ok for check in checks) else f"backbone {name!r} is not verified",
    )


def _compile(call: Call, name: str, dataset: str, precision: str) -> Result:
    """Convert and compile NAME now, checked on the first samples of DATASET, so that
    extractions need not load TensorFlow.
    """
    chosen = call.open(name, dataset).compile(name, dataset, precision)
    for warning in chosen.warnings:
        note(f"warning: {warning}")
    line = f"{name} in {precision}: {chosen.engine.name} ({chosen.why})"
    return Result(chosen, lambda out: out.print(text(line)))


def _alias(call: Call, name: str, alias: str) -> Result:
    """Make ALIAS another name of backbone NAME, or move it there."""
    return _shown(call.open().backbones.alias(alias, name))


def _tag(call: Call, name: str, tags: Tags) -> Result:
    return _shown(call.open().backbones.tag(name, tags))


def _remove(call: Call, name: str, force: bool) -> Result:
    """Remove a backbone. Refused while features or heads depend on it."""
    from headstart.jobs.outcomes import Removed

    gone = Removed(call.open().backbones.remove(name, force=force).label)
    return Result(gone, lambda out: out.print(text(f"Removed backbone {gone.removed}.")))


def _shown(backbone: Backbone, verification: Run | None = None) -> Result:
    from headstart.extractors.preprocessing.pipeline import Preprocessing

    steps = Preprocessing.from_json(backbone.preprocessing).describe()
    length = _tokens_in(backbone.preprocessing)
    cut, trust = backbone.default_cut, backbone.trust
    rows = [
        ("name", f"{backbone.name}, version {backbone.version}"),
        ("aliases", ", ".join(backbone.aliases) or None),
        ("tags", tags_text(backbone.tags)),
        ("source", backbone.source),
        ("licence", backbone.licence),
        ("file", f"{backbone.format}, {size_text(backbone.artifact_size)}"),
        ("sha256", backbone.artifact_digest),
        *(
            ("input", f"{tensor['name']}: {_size(tensor, length)}, {tensor['dtype']}")
            for tensor in backbone.inputs
        ),
        ("preprocessing", tuple(f"{n}. {step}" for n, step in enumerate(steps, start=1))),
        ("parameters", backbone.parameters),
        ("default cut", f"{backbone.default_name}: {shape_text(cut.shape)}, {cut.reason}"),
        ("trunk", cut.fingerprint),
        *([("verified", _verified(verification))] if verification else []),
        *([("trusted", _trusted(trust))] if trust else []),
        *(("warning", warning) for warning in backbone.warnings),
    ]
    return Result(backbone, lambda out: out.print(table(None, ("what", ""), rows)))


def _size(tensor: dict[str, Any], length: int | None) -> str:
    """The shape of an input; of one that takes sequences how many numbers they have, of which the
    preprocessing makes so many."""
    if list(tensor["shape"]) != [None]:
        return shape_text(tensor["shape"])
    made = "" if length is None else f", {length:,} by the preprocessing"
    return f"a sequence of any length{made}"


def _tokens_in(preprocessing: dict[str, Any]) -> int | None:
    """Of how many tokens the preprocessing makes a text; None where it does not say."""
    said = [
        one.get("sequence_length") or one.get("length") for one in preprocessing.get("steps", ())
    ]
    return next((one for one in reversed(said) if one), None)


def _trusted(trust: dict[str, Any]) -> str:
    code = trust.get("custom_objects")
    what = f" ({code['file']}, sha256 {code['sha256'][:12]})" if code else ""
    return f"by {trust['by']}, {trust['at']}{what}"


def _verified(run: Run) -> str:
    largest = max(run.counts.values())
    when = f"{run.created_at:%Y-%m-%d}" if run.created_at else "-"
    on = f"{run.dataset} samples" if run.dataset == "random" else f"samples of {run.dataset}"
    return f"{run.status}, {when}, on {on}, largest difference {largest:.1e}"


def _mark(cut: ListedCut) -> str:
    words = [
        "|" if cut.is_bottleneck else "",
        f"default{'|' + cut.pooling if cut.pooling else ''}"
        if cut.is_default
        else "default*"
        if cut.default_of
        else "",
        "classes" if cut.warning else "",
        "cached" if cut.cached else "",
    ]
    return " ".join(word for word in words if word)
