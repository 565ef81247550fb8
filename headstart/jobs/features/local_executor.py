"""Extractions in this process, on all its cores."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.errors import Cancelled, DatasetError
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.datasets import reader_of
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.extraction import Extraction
from headstart.extractors.run.in_view import Opened
from headstart.extractors.run.keys import keys_of
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.suspects import Suspects
from headstart.extractors.runtime import versions
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset, Run
from headstart.registry.leases import end_dead
from headstart.registry.rates import START, STEADY
from headstart.storage.locks import LifeSigns
from headstart.storage.manifest import Manifest


class LocalExecutor:
    """See `Executor`.

    Args:
        context: of the workspace.
        job: the number of the job that this is a part of, if it is: its samples that end processes
            are counted.
    """

    name = "local"

    def __init__(self, context: Context, job: int | None = None) -> None:
        self._context = context
        self._suspects = Suspects() if job is None else _suspects_of(context, job)
        self._cancelled = threading.Event()

    def run(self, plan: ExtractionPlan, progress: Progress = silent) -> Report:
        """See `Executor.run`."""
        return self.run_opened(plan, open_plan(self._context, plan), progress)

    def run_opened(self, plan: ExtractionPlan, opened: Opened, progress: Progress) -> Report:
        """As `run`, for whoever has opened what the plan names."""
        (report,) = self.run_views([(plan, opened)], progress)
        return report

    def run_views(
        self, views: Sequence[tuple[ExtractionPlan, Opened]], progress: Progress
    ) -> list[Report]:
        """As `run_opened`, of plans that differ in their augmentation alone, the samples as they
        are first: each is decoded once for all."""
        self._cancelled.clear()

        def advance(done: int, total: int) -> None:
            progress(done, total)
            if self._cancelled.is_set() and done < total:
                raise Cancelled(
                    f"the extraction was cancelled with {done:,} of {total:,} samples done",
                    hint="What was computed is committed; the same call continues from there.",
                )

        (plan, opened), *beside = views
        extraction = Extraction(plan, opened, advance, self._suspects, beside)
        return _recorded(self._context, extraction, plan)

    def cancel(self) -> None:
        """See `Executor.cancel`; the task under way is finished, in some tenths of a second."""
        self._cancelled.set()


def _suspects_of(context: Context, job: int) -> Suspects:
    signs = LifeSigns(context.config.locks)

    def find_tries() -> dict[str, int]:
        end_dead(context.database, signs)  # whose samples are counted then
        return context.jobs.find_tries(job)

    return Suspects(job, find_tries)


def open_plan(context: Context, plan: ExtractionPlan) -> Opened:
    """What a plan names, opened here.

    Raises:
        NotFound: the backbone or the dataset is not registered here.
        BackboneError: the backbone computes other features here.
        DatasetError: the dataset has other samples here.
    """
    plain, cuts = _planned_cuts(context, plan)
    backbone = in_view(plain, plan.augmentation)
    plan.check_keys(keys_of(backbone, cuts))
    dataset = context.datasets.get(plan.dataset)
    chosen = samples_in_view(planned_manifest(context, plan), plan.augmentation)
    return opened_here(context, backbone, cuts, dataset, chosen, reads_rows=False)


def opened_here(
    context: Context,
    backbone: Backbone,
    cuts: Sequence[Cut],
    dataset: Dataset,
    manifest: Manifest,
    *,
    reads_rows: bool = True,
) -> Opened:
    """What an extraction needs, for a backbone and samples in its augmentation; `reads_rows` for
    who wants them afterwards."""
    return Opened(
        backbone=backbone,
        cuts=cuts,
        manifest=manifest,
        preprocessing=pipeline_of(context, backbone),
        chooser=chooser_of(context, backbone),
        read=reader_of(dataset),
        database=context.database,
        signs=LifeSigns(context.config.locks),
        repository=context.feature_sets,
        cache=context.cache(reads_rows=reads_rows),
    )


def _planned_cuts(context: Context, plan: ExtractionPlan) -> tuple[Backbone, list[Cut]]:
    """The plan's backbone and cuts, by their names: a layer's name may hold a comma.

    Raises:
        NotFound: the backbone is not registered here.
        LayerNotFound: it has no such cut.
    """
    backbone = context.backbones.get(plan.backbone)
    cuts = [resolve(backbone.cuts, name) for name in plan.cuts]
    return backbone, [replace(cut, precision=plan.settings.precision) for cut in cuts]


def planned_manifest(context: Context, plan: ExtractionPlan) -> Manifest:
    """The plan's samples.

    Raises:
        DatasetError: the manifest of that name has other samples.
    """
    manifest = context.manifests.read(plan.manifest)
    if manifest.digest != plan.dataset_digest:
        raise DatasetError(
            f"the plan wants samples {plan.dataset_digest[:12]} of dataset {plan.dataset!r}; its "
            f"manifest here has {manifest.digest[:12]}",
            hint="Plan again.",
        )
    return manifest


def _recorded(context: Context, extraction: Extraction, plan: ExtractionPlan) -> list[Report]:
    """Run an extraction; however it ends, a run is recorded for each view."""
    status = "interrupted"
    try:
        extraction.run()
        status = "done"
        return extraction.reports
    except Exception as error:
        status = f"failed: {type(error).__name__}"[:20]
        raise
    finally:
        for done in extraction.reports:
            _record(context, done, plan.asked, status)


def _record(context: Context, done: Report, asked: str, status: str) -> None:
    names = ("samples", "unique", "computed", "reused", "skipped", "skipped_samples")
    counts = {name: getattr(done, name) for name in names}
    counts[START] = done.start_seconds
    counts[STEADY] = {"samples": done.steady_samples, "seconds": done.steady_seconds}
    counts["engine"] = {"name": done.engine, **done.check}
    if done.computed or status != "done" or done.skipped:
        run = Run("extract", asked, done.dataset, status, counts, done.seconds, versions())
        context.runs.add(run)
