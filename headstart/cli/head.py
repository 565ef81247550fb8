"""`head`: train, list, show, reproduce; the rest is in `sweep`, `looking` and `shipping`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headstart.cli import models, plots, sweep
from headstart.cli.heads import care, compare, predict, travel
from headstart.cli.heads.kept import number_of_sweep, row_of_sweep
from headstart.cli.heads.named_classes import with_classes
from headstart.cli.heads.shown import VOID_LEGEND, by_class, shown
from headstart.cli.heads.task_options import task_of, task_options
from headstart.cli.names import tags as tag_commands
from headstart.cli.names.called import names_in
from headstart.cli.names.chosen import empty_text, list_options, selection_of
from headstart.cli.names.tags import tag_option, tags_text
from headstart.cli.output import (
    PRECISION,
    PRECISIONS,
    Call,
    Result,
    command,
    ignore_weights_option,
    note,
    on_error_option,
    progress_bar,
    score_cell,
    table,
    text,
    views_option,
    windows_option,
    with_options,
)
from headstart.cli.parameters import NUMBER, SEED
from headstart.cli.workspace.detached import begun, detach_option, refuse_with_detach
from headstart.progress import watched
from headstart.registry.selection.words import ALL, tags_in_words

if TYPE_CHECKING:
    from headstart.catalog.head import Head
    from headstart.cli.names.tags import Tags
    from headstart.workspace import Workspace

LONG = 2.0
"""Seconds of a fit from which it is told how far it is."""
TRAIN_OPTIONS = (
    click.argument("name"),
    click.argument("backbone", required=False, metavar="[BACKBONE[@CUT]"),
    click.argument("dataset", required=False, metavar="DATASET]"),
    click.option(
        "--from-sweep",
        metavar="ID[:ROW]",
        help="Take features, kind and settings from a row of a sweep, by default the best. "
        "Replaces BACKBONE and DATASET.",
    ),
    click.option(
        "--ensemble",
        metavar="ID",
        help="Train several heads of a sweep as one, chosen by what they said of samples they were "
        "not trained on. Replaces BACKBONE and DATASET.",
    ),
    click.option(
        "--bags",
        type=NUMBER,
        metavar="K",
        help="Train K heads on samples drawn with replacement; the head says their mean.",
    ),
    click.option(
        "--classes",
        "classes_file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="zeroshot: a text file with a class name a line; no sample needs a label then. "
        "Default: the labels of DATASET.",
    ),
    task_options,
    click.option(
        "--decision",
        type=click.Choice(("median", "mode")),
        help="ordinal: predict the median class, which is the fewest steps off (the default), "
        "or the most probable one, which is right most often.",
    ),
    click.option("--balanced", is_flag=True, help="Give all classes the same weight."),
    click.option(
        "--class-weight",
        "class_weights",
        multiple=True,
        metavar="LABEL=WEIGHT",
        help="What a sample of this class counts, such as cat=2; others count 1. May be repeated.",
    ),
    ignore_weights_option,
    click.option(
        "--seed", type=SEED, help="Seed of all random choices. Default: 0, or that of the sweep."
    ),
    click.option(
        "--precision", type=PRECISIONS, help=f"{PRECISION} Default: float32, or that of the sweep."
    ),
    on_error_option,
    views_option,
    windows_option("mean", "max", "each"),
    tag_option,
    detach_option,
)


def register(cli: click.Group) -> None:
    group = click.Group("head", help="Light models trained on cached features.")
    command(group, "train", more=_settings)(with_options(_train, *TRAIN_OPTIONS))
    sweep.register(group)
    compare.register(group)
    care.register(group)
    travel.register(group)
    command(group, "list")(list_options(_list))
    tag_commands.register(group, _tag)
    alias = with_options(_alias, click.argument("alias"), click.argument("name"))
    command(group, "alias")(alias)
    every = click.option("--all", "every", is_flag=True, help="Show the scores of every class.")
    command(group, "show")(with_options(_show, click.argument("name"), every))
    command(group, "reproduce")(click.argument("name")(_reproduce))
    models.register(group)
    predict.register(group)
    plots.register_heads(group)
    cli.add_command(group)


def _train(
    call: Call,
    name: str,
    backbone: str | None,
    dataset: str | None,
    from_sweep: str | None,
    ensemble: str | None,
    kind: str | None,
    bags: int | None,
    classes_file: str | None,
    task: str | None,
    separator: str | None,
    order: str | None,
    decision: str | None,
    loss: str | None,
    quantile: float | None,
    balanced: bool,
    class_weights: tuple[str, ...],
    ignore_weights: bool,
    seed: int | None,
    precision: str | None,
    on_error: str,
    views: int,
    windows: str | None,
    tags: tuple[str, ...],
    detach: bool,
    **options: Any,
) -> Result:
    """Train head NAME on the features of DATASET. Missing features are extracted first.

    'BACKBONE@CUT,CUT + BACKBONE' in quotes joins features: the head takes them side by side.
    """
    from headstart.heads.combined.bagged import Bagged

    tagged = tags_in_words(tags)
    if detach:
        refuse_with_detach(ensemble=ensemble, on_error=on_error != "fail")
    given = {key: value for key, value in options.items() if value is not None}
    made = task_of(
        task or "classification",
        separator=separator,
        order=order,
        decision=decision,
        loss=loss,
        quantile=quantile,
        balanced=balanced or None,
        class_weights=weights_in(class_weights) or None,
    )
    of_task = (task, separator, order, decision, loss, quantile, balanced, class_weights)
    others = (backbone, dataset, kind, bags, classes_file, *of_task, windows, given)
    if ensemble is not None:
        others = any((*others, from_sweep, seed, precision, views, ignore_weights))
        return _ensemble(call, name, number_of_sweep(ensemble, others=others), tagged)
    if from_sweep is not None:
        sweep, row = row_of_sweep(from_sweep, others=any(others))
        from headstart.jobs.heads.care.kept_trial import kept_trial

        workspace = call.open()
        tried = kept_trial(workspace.context, sweep, row, precision)
        backbone, dataset, settings = tried.features, tried.dataset, tried.kind
        seed, windows = tried.seed if seed is None else seed, tried.windows
        precision, made = tried.precision, tried.task
        ignore_weights = ignore_weights or tried.ignore_weights
    elif backbone is None or dataset is None:
        raise click.UsageError("Name a BACKBONE and a DATASET, or a sweep with --from-sweep.")
    else:
        settings = _kind(kind or made.default_kind.kind, given)
        settings = settings if classes_file is None else with_classes(settings, classes_file)
        settings = settings if bags is None else Bagged(settings, bags)
        workspace, precision = call.open(backbone, dataset), precision or "float32"
    how: dict[str, Any] = {"seed": seed or 0, "task": made, "views": views, "windows": windows}
    how |= {"ignore_weights": ignore_weights, "tags": tagged}
    of = backbone, dataset, precision, on_error
    return _trained(workspace, name, settings, of, how, detach=detach)


def _trained(
    workspace: Workspace,
    name: str,
    kind: Any,
    of: tuple[str, str, str, str],
    how: dict[str, Any],
    *,
    detach: bool,
) -> Result:
    """A head of a kind, of a backbone and a dataset, in a precision, with what is done about a
    sample that cannot be read; or the job of it."""
    from headstart.cached import check_one_cut
    from headstart.cli.extract import extract_missing
    from headstart.jobs.named import both_named
    from headstart.registry.references import parts_of

    *both, precision, on_error = of
    backbone, dataset = both_named(workspace.context, *both, looks=False, on_error=on_error)
    if len(parts_of(backbone)) == 1:
        check_one_cut(*workspace.context.resolve(backbone, precision))
    if detach:
        made = workspace.jobs.train(name, backbone, dataset, kind, precision=precision, **how)
        return begun(made)
    views = how["views"]
    features = extract_missing(workspace, backbone, dataset, precision, views, on_error=on_error)
    with progress_bar("fitting", "steps", after=LONG) as progress, watched(progress):
        head = workspace.heads.train(name, features, kind, **how)
    warn_of_untested(head)
    return shown(head)


def _ensemble(call: Call, name: str, sweep: int, tags: dict[str, str]) -> Result:
    workspace = call.open()
    with progress_bar("trying again", "settings") as progress:
        head = workspace.heads.train_ensemble(name, sweep, progress=progress, tags=tags)
    warn_of_untested(head)
    return shown(head)


def warn_of_untested(head: Head) -> None:
    """Say on standard error of which classes nothing is known, or little."""
    from headstart.heads.evaluation.provenance import few_groups_text, few_text, untested_text

    for told in (untested_text, few_groups_text, few_text):
        if line := told(head.metrics):
            note(f"warning: {line}.")


def _settings() -> list[click.Parameter]:
    """Of `head train`: the kinds, and what each declares."""
    from headstart.heads.kinds.every_kind import KINDS, declared

    kinds = click.Option(
        ["--kind"],
        type=click.Choice(list(KINDS)),
        metavar="KIND",
        help=f"Kind of head: {', '.join(KINDS)}. Default: linear, or ridge for a regression.",
    )
    settings = [
        click.Option([one.flag, one.name], help=f"{', '.join(of)}: {one.help}")
        for one, of in declared().values()
    ]
    return [kinds, *settings]


def _kind(kind: str, options: dict[str, str]) -> Any:
    from headstart.heads.kinds.every_kind import KINDS, setting_of

    made: Any = KINDS[kind]
    given = {}
    for name, value in options.items():
        setting = setting_of(kind, name)
        if setting is None:
            raise click.UsageError(f"--{name.replace('_', '-')} is not for a head of kind {kind}.")
        try:
            given[name] = setting.read(value)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    return made(**given)


def weights_in(given: Sequence[str]) -> dict[str, float]:
    """Weights by label, of `LABEL=WEIGHT` each.

    Raises:
        click.UsageError: one is none.
    """
    found = {}
    for one in given:
        label, _, weight = one.rpartition("=")
        try:
            found[label] = float(weight)
        except ValueError:
            label = ""
        if not label:
            raise click.UsageError(f"--class-weight takes LABEL=WEIGHT, received {one!r}.")
    return found


def _list(call: Call, filters: tuple[str, ...], sort: str | None, limit: int | None) -> Result:
    """List the trained heads."""
    from headstart.registry import listing

    selection = selection_of(filters, sort, limit)
    rows = listing.heads(call.config, selection)
    scores = [
        column
        for column, name in SCORES.items()
        if any(row["metrics"].get(name) is not None for row in rows)
    ] or list(ALWAYS)
    columns = ("name, kind", "backbone@cut", "dataset", *scores, "=?trained")
    names = names_in(rows, are_all=selection == ALL)
    cells = [_listed(*pair, scores) for pair in zip(names, rows, strict=True)]
    none = "No heads yet. Train one with `headstart head train NAME BACKBONE DATASET`."
    empty = text(empty_text(selection, none))

    def show(out: Any) -> None:
        out.print(table(None, columns, cells) if rows else empty)
        if rows:
            out.print(LIST_LEGEND)
        if any(row["void"] for row in rows):
            out.print(VOID_LEGEND)

    return Result(rows, show)


SCORES = {
    ">accuracy": "accuracy",
    ">?macro F1": "macro_f1",
    ">R2": "r2",
    ">pinball loss": "pinball_loss",
    ">Poisson deviance": "poisson_deviance",
}
ALWAYS = (">accuracy", ">?macro F1")
LIST_LEGEND = (
    "Below each score its 95 % interval, of so many held-out samples, or groups, as were tested."
)


def _listed(called: str, row: dict[str, Any], scores: list[str]) -> tuple[Any, ...]:
    """The cells of one head."""
    from headstart.heads.evaluation.intervals import groups_text

    groups, predicts = groups_text(row["metrics"]).strip(), row["metrics"].get("predicts")
    return (
        (called, row["kind"], *(filter(None, [predicts, tags_text(row["tags"])]))),
        f"{row['backbone']}@{row['cut']}",
        (
            row["dataset"],
            f"{row['metrics']['n_test']:,} tested",
            *([groups] if groups else []),
            *(["void: dealt again"] if row["void"] else []),
        ),
        *(score_cell(row["metrics"], SCORES[column]) for column in scores),
        row["created_at"][:10],
    )


def _show(call: Call, name: str, every: bool) -> Result:
    """Show a head: what it came from, its scores, those of each class, and its confusion
    matrix.

    If there are many classes, the ten with the lowest F1 are shown; --all shows all.
    """
    head = call.open().heads.get(name)
    return shown(head, by_class(head.metrics, head.record.classes, every=every))


def _alias(call: Call, alias: str, name: str) -> Result:
    """Make ALIAS, such as production, another name of head NAME, or move it there."""
    return shown(call.open().heads.alias(alias, name))


def _tag(call: Call, name: str, tags: Tags) -> Result:
    return shown(call.open().heads.tag(name, tags))


def _reproduce(call: Call, name: str) -> Result:
    """Train a head again from the cache and compare scores and weights."""
    head = call.open().heads.get(name)
    found = head.reproduce()
    rows = [
        (what.replace("_", " "), f"{head.metrics[what]:.4f}", f"{found.metrics[what]:.4f}")
        for what, value in head.metrics.items()
        if isinstance(value, float)
    ]
    agrees = "The metrics agree" if found.agrees else "The metrics do not agree"
    line = f"{agrees}; the weights differ by at most {found.max_abs_diff:.1g}."

    def show(out: Any) -> None:
        out.print(table(None, ("", ">then", ">now"), rows))
        out.print(text(line))

    told = f"head {head.record.label!r} scores otherwise when it is trained again"
    return Result(found, show, failed="" if found.agrees else told)
