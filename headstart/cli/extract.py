"""`extract`: run a backbone once over a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.commands import noted_warnings, overheard
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    precision_option,
    progress_bar,
    text,
    views_option,
    with_options,
)
from headstart.cli.workspace.executors import LOCAL, Asked, options_of_workers

if TYPE_CHECKING:
    from headstart.extractors.run.report import Report
    from headstart.extractors.run.settings import Settings
    from headstart.jobs.features.executor import Executor
    from headstart.jobs.features.unchanged import Looked
    from headstart.jobs.on_ray import RayExecutor
    from headstart.registry.entities import Dataset
    from headstart.registry.jobs import Job
    from headstart.storage.views import FeatureView
    from headstart.workspace import Workspace


def register(cli: click.Group) -> None:
    command(cli, "extract")(_with_options(_extract))


class EngineName(click.Choice[str]):
    """`auto`, or an engine, those of plug-ins too; they are looked for when one is named."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @cached_property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        from headstart.extractors.engines.providers import PROVIDERS

        with noted_warnings():
            return ("auto", *PROVIDERS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if value == "auto" else super().convert(value, param, ctx)


def _with_options(function: Any) -> Any:
    options = (
        click.argument("backbone", metavar="BACKBONE[@CUT[,CUT...]]"),
        click.argument("dataset"),
        click.option(
            "--engine",
            type=EngineName(),
            default="auto",
            show_default=True,
            help="What computes; auto takes the preferred one that gives TensorFlow's features, "
            "unless another is faster beyond doubt.",
        ),
        on_error_option,
        click.option(
            "--batch-size",
            type=int,
            help="Samples per call. Default: measured in the first seconds.",
        ),
        precision_option,
        click.option(
            "--max-loss",
            type=float,
            default=0.5,
            show_default=True,
            help="For int8: points of accuracy that it may lose against float32; if it loses "
            "more, it is refused.",
        ),
        click.option(
            "--commit-seconds",
            type=float,
            default=10.0,
            show_default=True,
            help="Commit at least this often.",
        ),
        click.option(
            "--storage",
            type=click.Choice(["float32", "float16", "bfloat16"]),
            help="Store rounded numbers in half the bytes. Default: as computed.",
        ),
        click.option(
            "--compression",
            type=click.Choice(["none", "gzip", "blosc2"]),
            help="How to compress shards. Default: not at all.",
        ),
        click.option(
            "--lease-seconds",
            type=float,
            default=60.0,
            show_default=True,
            help="Other processes take over when this one has been silent for so long.",
        ),
        click.option(
            "--stall-seconds",
            type=float,
            default=300.0,
            show_default=True,
            help="End the run when a sample or a batch takes longer than this.",
        ),
        views_option,
        click.option(
            "--detach",
            is_flag=True,
            help="Do not compute here: make a job for `headstart worker`; with ray, its actors "
            "start.",
        ),
        *options_of_workers,
    )
    return with_options(function, *options)


def _extract(
    call: Call,
    backbone: str,
    dataset: str,
    views: int,
    detach: bool,
    **given: Any,
) -> Result:
    """Compute the features of DATASET that are not in the cache yet.

    CUT is LAYER, LAYER:input or LAYER:output, followed by |gap, |gmp or |flatten for a pooled
    feature. The default is the input of the last layer that has weights. All cuts are computed
    in one pass. With ' + ' between several backbones, those of each are computed, to be joined.
    """
    asked = Asked.of(given)
    looked = None
    if asked.executor == LOCAL and not detach and not views:
        from headstart.jobs.features.unchanged import look

        looked = look(call.root, backbone, dataset, given)
        if looked is not None and looked.report is not None:
            return _result([[looked.report]])
    from headstart.extractors.run.settings import Settings

    workspace = call.open(backbone, dataset)
    settings = Settings(**given)
    runner = asked.to_extract(workspace.context)
    parts = _parts(workspace, backbone)
    if detach:
        return _detached(workspace, parts, dataset, settings, views, runner)
    how: dict[str, Any] = {"settings": settings, "executor": runner}
    each = [_extracted(workspace, part, dataset, views, looked, **how) for part in parts]
    return _result(each)


def _parts(workspace: Workspace, backbone: str) -> list[str]:
    """A reference for each backbone; of joined ones, which are seen to take the same samples before
    anything is computed for them."""
    from headstart.registry.references import parts_by_backbone, parts_of

    if len(parts := parts_of(backbone)) == 1:
        return parts
    from headstart.jobs.backbones.named import backbone_named
    from headstart.origins.blocks import blocks_of

    blocks_of(workspace.context, backbone_named(workspace.context, backbone))
    return parts_by_backbone(parts)


def _extracted(
    workspace: Workspace,
    backbone: str,
    dataset: str | Dataset,
    views: int,
    looked: Looked | None,
    **how: Any,
) -> list[Report]:
    """What was done for the samples as they are, and for each view."""
    reports: list[Report] = []
    told: list[str] = []
    found = _computed(workspace, backbone, dataset, views, told, **how)
    for features in found:
        report = features.report
        assert report is not None  # it was just made
        _note_warnings(report)
        _note_skipped(report)
        reports.append(report)
        if looked is not None and not told:
            from headstart.jobs.features.unchanged import keep

            keep(workspace.context, looked, features)
    return reports


def _computed(
    workspace: Workspace,
    backbone: str,
    dataset: str | Dataset,
    views: int,
    told: list[str],
    settings: Settings,
    executor: Executor | None,
) -> list[FeatureView]:
    """The features of the samples as they are, and of each view; `told` gets what was said."""
    from headstart.jobs.features.extract import extract_views
    from headstart.jobs.named import both_named

    names = both_named(
        workspace.context, backbone, dataset, looks=False, on_error=settings.on_error
    )
    with progress_bar(f"extracting{_more(views)}", "samples") as progress, overheard(told):
        return extract_views(workspace.context, *names, settings, progress, views, executor)


def _more(views: int) -> str:
    return f" with {views} view{'s' if views > 1 else ''}" if views else ""


def _result(each: Sequence[Sequence[Report]]) -> Result:
    """Of each backbone what was done for the samples as they are, and for each view."""
    from headstart.extractors.run.report import Reports

    def show(out: Any) -> None:
        for reports in each:
            name = f"{reports[0].backbone}: " if len(each) > 1 else ""
            for view, report in enumerate(reports):
                out.print(text(name + describe(report) + _words(view)), soft_wrap=True)

    first, *others = (Reports(reports[0], tuple(reports[1:])) for reports in each)
    return Result(replace(first, beside=tuple(others)), show)


def _detached(
    workspace: Workspace,
    parts: Sequence[str],
    dataset: str,
    settings: Settings,
    views: int,
    runner: RayExecutor | None,
) -> Result:
    """Of each backbone a job for the samples as they are, and one for each view."""
    from headstart.values.showable import Results

    jobs = Results(
        workspace.jobs.add(backbone, dataset, settings=settings, augmentation=view, executor=runner)
        for backbone in parts
        for view in range(views + 1)
    )

    def show(out: Any) -> None:
        for number, job in enumerate(jobs):
            view = number % (views + 1)
            line = f"job {job.id} is {job.state}: {job.subject} on {job.dataset}{_words(view)}"
            out.print(text(f"{line}. {_todo(job, runner)}"), soft_wrap=True)
        if any(job.is_open for job in jobs):
            out.print("How far it is: headstart job list", soft_wrap=True)

    return Result(jobs, show)


def _todo(job: Job, runner: RayExecutor | None) -> str:
    if not job.is_open:
        return "Nothing is to be computed: all its features are in the cache."
    return f"Do it: headstart worker {job.id}" if runner is None else "Actors begin with it."


def _note_warnings(report: Any) -> None:
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.quarantined:
        note(f"warning: {report.quarantined} damaged shards put aside, their rows computed")


def _note_skipped(report: Any) -> None:
    for skipped in report.skipped_samples:
        note(f"skipped {skipped['id']}: {skipped['reason']}")


def _words(view: int) -> str:
    return f", view {view}" if view else ""


def extract_missing(
    workspace: Workspace,
    backbone: str,
    dataset: str | Dataset,
    precision: str,
    views: int = 0,
    *,
    on_error: str,
    executor: Executor | None = None,
) -> Any:
    """The features of a dataset, for a command that needs them, those of augmented views with
    them; says so if any were computed, and what was skipped."""
    from headstart.extractors.run.settings import Settings

    settings = Settings(precision=precision, on_error=on_error)
    if len(parts := _parts(workspace, backbone)) > 1 or parts != [backbone]:
        how: dict[str, Any] = {"on_error": on_error, "executor": executor}
        for part in parts:
            extract_missing(workspace, part, dataset, precision, views, **how)
        return workspace.features(backbone, dataset, precision)
    found = _computed(workspace, backbone, dataset, views, [], settings, executor)
    for view, features in enumerate(found):
        if features.report is not None and features.report.computed:
            _note_warnings(features.report)
            note(describe(features.report) + _words(view))
        if on_error == "skip" and features.report is not None:
            _note_skipped(features.report)
    return found[0]


def check_extracts(backbones: Sequence[str], on_error: str) -> None:
    """See that there is something to extract, of which a sample may be skipped.

    Raises:
        click.UsageError: no backbone is named, so that only what is cached is looked at.
    """
    if on_error != "fail" and not backbones:
        raise click.UsageError(
            "--on-error is for what is extracted: name a BACKBONE, or leave it out."
        )


def describe(report: Any) -> str:
    """A report in one line."""
    engine = f"{report.engine} in {report.precision} ({report.engine_reason})"
    by = f"; {engine}" if report.computed else ""
    rate = f" ({report.computed / report.seconds:,.0f}/s)" if report.computed else ""
    return (
        f"{report.dataset}: {report.samples:,} samples, {report.unique:,} different: "
        f"{report.computed:,} computed{rate}, {report.reused:,} reused, "
        f"{report.skipped:,} skipped, in {report.seconds:.1f} s, "
        f"{len(report.cuts)} cut{'s' if len(report.cuts) > 1 else ''}{by}"
        + (f"; {loss_text(report.check)}" if "mean_relative_error" in report.check else "")
    )


def loss_text(verdict: Mapping[str, Any]) -> str:
    """What int8 costs beside float32, by samples that it was not calibrated by; `verdict_of`."""
    told = (
        f"relative error {verdict['mean_relative_error']:.2g} on average, "
        f"{verdict['relative_error']:.2g} of the worst row"
    )
    if accuracy := verdict.get("accuracy"):
        told += (
            f", a linear head {accuracy['int8']:.1%} right, {accuracy['float32']:.1%} in float32, "
            f"on {accuracy['samples']:,} others"
        )
    return told
