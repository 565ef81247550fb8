"""`head train`: a light model of a kind, for a task, on cached features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads.kept import number_of_sweep, row_of_sweep
from headstart.cli.heads.named_classes import with_classes
from headstart.cli.heads.shown import shown
from headstart.cli.heads.task_options import NAMES, task_of, task_options
from headstart.cli.names.tags import tag_option
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
    views_option,
    windows_option,
    with_options,
)
from headstart.cli.parameters import NUMBER, SEED
from headstart.cli.workspace.detached import begun, detach_option, refuse_with_detach
from headstart.progress import watched
from headstart.registry.selection.words import tags_in_words
from headstart.values.said import NUMBERS

if TYPE_CHECKING:
    from headstart.catalog.head import Head
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


def register(group: click.Group) -> None:
    command(group, "train", more=_settings)(with_options(_train, *TRAIN_OPTIONS))


@dataclass(frozen=True)
class _Of:
    """What a head is trained on, and how.

    Attributes:
        backbone: `NAME[@CUT]`, or a source.
        dataset: its name, or a source.
        kind: of the head, with its settings.
        task: what labels mean.
        seed: of all random choices.
        precision: of the features.
        windows: what a sample with windows is.
        ignore_weights: whether all samples count alike.
    """

    backbone: str
    dataset: str
    kind: Any
    task: Any
    seed: int
    precision: str
    windows: str | None
    ignore_weights: bool


@dataclass(frozen=True)
class _Given:
    """What was given of the head itself, None or empty where nothing was.

    Attributes:
        names: backbone and dataset.
        kind: of the head.
        bags: how many heads are trained as one.
        classes_file: of names of classes.
        task: its options, by name.
        windows: what a sample with windows is.
        settings: of the kind.
    """

    names: tuple[str | None, str | None]
    kind: str | None
    bags: int | None
    classes_file: str | None
    task: dict[str, Any]
    windows: str | None
    settings: dict[str, Any]

    def is_empty(self) -> bool:
        """Whether a sweep can say all of it."""
        own = (*self.names, self.kind, self.bags, self.classes_file, self.windows)
        return not any((*own, *self.task.values(), self.settings))

    def made(self) -> tuple[Any, Any]:
        """The kind, with its settings, and the task."""
        from headstart.heads.combined.bagged import Bagged

        task = self.read_task()
        kind = _kind(self.kind or task.default_kind.kind, self.settings)
        kind = kind if self.classes_file is None else with_classes(kind, self.classes_file)
        return (kind if self.bags is None else Bagged(kind, self.bags)), task

    def read_task(self) -> Any:
        """The task.

        Raises:
            click.UsageError: an option is not for it.
        """
        given = {**self.task, "balanced": self.task["balanced"] or None}
        given["class_weights"] = weights_in(self.task["class_weights"]) or None
        return task_of(given.pop("task") or "classification", **given)


OF_TASK = (*NAMES, "decision", "balanced", "class_weights")


def _train(
    call: Call,
    name: str,
    backbone: str | None,
    dataset: str | None,
    from_sweep: str | None,
    ensemble: str | None,
    ignore_weights: bool,
    seed: int | None,
    precision: str | None,
    on_error: str,
    views: int,
    tags: tuple[str, ...],
    detach: bool,
    **options: Any,
) -> Result:
    """Train head NAME on the features of DATASET. Missing features are extracted first.

    'BACKBONE@CUT,CUT + BACKBONE' in quotes joins features: the head takes them side by side.
    """
    tagged = tags_in_words(tags)
    if detach:
        refuse_with_detach(ensemble=ensemble, on_error=on_error != "fail")
    given = _given(backbone, dataset, options)
    given.read_task()  # what is wrong with it is said first
    if ensemble is not None:
        others = any((from_sweep, seed, precision, views, ignore_weights))
        number = number_of_sweep(ensemble, others=others or not given.is_empty())
        return _ensemble(call, name, number, tagged)
    if from_sweep is not None:
        sweep, row = row_of_sweep(from_sweep, others=not given.is_empty())
        workspace = call.open()
        of = _of_sweep(workspace, sweep, row, precision, seed)
        of = replace(of, ignore_weights=ignore_weights or of.ignore_weights)
    elif backbone is None or dataset is None:
        raise click.UsageError("Name a BACKBONE and a DATASET, or a sweep with --from-sweep.")
    else:
        kind, task = given.made()
        workspace, precision = call.open(backbone, dataset), precision or "float32"
        names = backbone, dataset, kind, task
        of = _Of(*names, seed or 0, precision, given.windows, ignore_weights)
    return _trained(workspace, name, of, views, tagged, on_error=on_error, detach=detach)


def _given(backbone: str | None, dataset: str | None, options: dict[str, Any]) -> _Given:
    """What was given of the head itself; options besides are settings of its kind."""
    left = dict(options)
    named = {one: left.pop(one) for one in ("kind", "bags", "classes_file", "windows")}
    task = {one: left.pop(one) for one in OF_TASK}
    settings = {key: value for key, value in left.items() if value is not None}
    return _Given((backbone, dataset), **named, task=task, settings=settings)


def _of_sweep(
    workspace: Workspace, sweep: int, row: int, precision: str | None, seed: int | None
) -> _Of:
    """What a row of a sweep was tried on, and how."""
    from headstart.jobs.heads.care.kept_trial import kept_trial

    tried = kept_trial(workspace.context, sweep, row, precision)
    return _Of(
        tried.features,
        tried.dataset,
        tried.kind,
        tried.task,
        (tried.seed if seed is None else seed) or 0,
        tried.precision,
        tried.windows,
        tried.ignore_weights,
    )


def _trained(
    workspace: Workspace,
    name: str,
    of: _Of,
    views: int,
    tags: dict[str, str],
    *,
    on_error: str,
    detach: bool,
) -> Result:
    """The head, with what is done about a sample that cannot be read; or the job of it."""
    from headstart.cached import check_one_cut
    from headstart.cli.extract import extract_missing
    from headstart.jobs.named import both_named
    from headstart.registry.references import parts_of

    are_numbers = of.task.says == NUMBERS
    known: dict[str, Any] = {"looks": False, "on_error": on_error, "of_numbers": are_numbers}
    backbone, dataset = both_named(workspace.context, of.backbone, of.dataset, **known)
    if len(parts_of(backbone)) == 1:
        check_one_cut(*workspace.context.resolve(backbone, of.precision))
    how: dict[str, Any] = {"seed": of.seed, "task": of.task, "views": views, "windows": of.windows}
    how |= {"ignore_weights": of.ignore_weights, "tags": tags}
    if detach:
        on = name, backbone, dataset, of.kind
        return begun(workspace.jobs.train(*on, precision=of.precision, **how))
    features = extract_missing(workspace, backbone, dataset, of.precision, views, on_error=on_error)
    with progress_bar("fitting", "steps", after=LONG) as progress, watched(progress):
        head = workspace.heads.train(name, features, of.kind, **how)
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
