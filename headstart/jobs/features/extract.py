"""`ws.extract`: what is missing is computed, and all of it given as a view."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from headstart.cached import with_origin
from headstart.context import Context
from headstart.errors import SourceGone
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.settings import Settings
from headstart.jobs.datasets.refresh import refresh
from headstart.jobs.features.executor import Executor
from headstart.jobs.features.local_executor import (
    LocalExecutor,
    planned_cuts,
    planned_manifest,
)
from headstart.progress import Progress, silent
from headstart.storage.views import FeatureView


def plan_extraction(
    context: Context,
    backbone: str,
    dataset: str,
    settings: Settings | None = None,
    augmentation: int = 0,
) -> ExtractionPlan:
    """An extraction as plain data, with the dataset looked at anew where its source is there."""
    chosen = settings or Settings()
    plain, cuts = context.resolve(backbone, chosen.precision)
    with suppress(SourceGone):
        refresh(context, dataset)
    record = context.datasets.get(dataset)
    entity = in_view(plain, augmentation)
    return ExtractionPlan.of(entity, cuts, record, chosen, backbone, augmentation)


def extract(
    context: Context,
    backbone: str,
    dataset: str,
    settings: Settings | None = None,
    progress: Progress = silent,
    augmentation: int = 0,
    executor: Executor | None = None,
) -> FeatureView:
    """See `Workspace.extract`; runs in this process without an executor."""
    plan = plan_extraction(context, backbone, dataset, settings, augmentation)
    record = context.datasets.get(dataset)
    report = (executor or LocalExecutor(context)).run(plan, progress)
    plain, cuts = planned_cuts(context, plan)
    # The samples of the plan, whatever others have made of the dataset meanwhile.
    manifest = samples_in_view(planned_manifest(context, plan), augmentation)
    record = replace(record, digest=plan.dataset_digest, manifest=plan.manifest)
    skipped = {sample["id"] for sample in report.skipped_samples}
    features = context.cache().open_view(report.feature_key, manifest, report, skipped)
    return with_origin(features, plain, cuts[0], record)
