"""`ws.extract`: what is missing is computed, and all of it given as a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.cached import features_of, say_left_out, with_origin
from headstart.context import Context
from headstart.errors import FeatureError, SourceGone
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.jobs.datasets.refresh import look_again
from headstart.jobs.features.calibrate import calibrated
from headstart.jobs.features.executor import Executor
from headstart.jobs.features.local_executor import LocalExecutor, opened_here
from headstart.notices import tell
from headstart.origins.blocks import blocks_of
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import JOINED, parts_by_backbone, parts_of, reference_of
from headstart.storage.manifest import Manifest
from headstart.storage.views import FeatureView


def plan_extraction(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    settings: Settings | None = None,
    augmentation: int = 0,
) -> ExtractionPlan:
    """An extraction as plain data, with the dataset looked at anew where its source is there."""
    return _planned(context, backbone, dataset, settings, augmentation).plan


def extract(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    settings: Settings | None = None,
    progress: Progress = silent,
    augmentation: int = 0,
    executor: Executor | None = None,
) -> FeatureView:
    """See `Workspace.extract`; runs in this process without an executor."""
    parts = parts_of(reference_of(backbone, "backbone"))
    if len(parts) > 1:
        blocks_of(context, JOINED.join(parts))  # before anything is computed for them
        for part in parts_by_backbone(parts):
            extract(context, part, dataset, settings, progress, augmentation, executor)
        precision, name = (settings or Settings()).precision, JOINED.join(parts)
        if not augmentation:
            return features_of(context, name, dataset, precision)
        scales = features_of(context, name, dataset, precision).origin.scales  # as in training
        return features_of(context, name, dataset, precision, augmentation, scales)
    planned = _planned(context, backbone, dataset, settings, augmentation)
    plan, cuts, record = planned.plan, planned.cuts, planned.dataset
    # The samples of the plan, whatever others make of the dataset meanwhile.
    manifest = samples_in_view(planned.manifest, augmentation)
    opened = opened_here(context, in_view(planned.backbone, augmentation), cuts, record, manifest)
    if executor is None:
        report = LocalExecutor(context).run_opened(plan, opened, progress)
    else:
        for key in plan.feature_keys.values():  # puts aside what is damaged: workers don't read it
            context.cache().open_index(key)
        report = executor.run(plan, progress)
    skipped = {sample["id"] for sample in report.skipped_samples}
    if report.skipped and not report.computed + report.reused:
        raise _nothing_readable(record, report)
    features = opened.cache.open_view(report.feature_key, manifest, report, skipped)
    if plan.settings.on_error == "fail":  # who asked for skipping has them in the report
        say_left_out(features, record.name)
    return with_origin(features, planned.backbone, cuts[0], record)


def _nothing_readable(dataset: Dataset, report: Report) -> FeatureError:
    """The error where all that a dataset holds was skipped, which then is of another kind than the
    backbone takes; with the reason of the first sample."""
    first = report.skipped_samples[0]
    return FeatureError(
        f"none of the {report.samples:,} samples of {dataset.name!r} can be read, such as "
        f"{first['id']!r}: {first['reason']}",
        hint="Give a dataset of what the backbone takes, or a backbone for what this one holds; "
        f"`headstart dataset forget-failures {dataset.name}` tries them again.",
    )


@dataclass(frozen=True)
class _Planned:
    """A plan, and what it names as it was looked up for it."""

    plan: ExtractionPlan
    backbone: Backbone
    cuts: Sequence[Cut]
    dataset: Dataset
    manifest: Manifest


def _planned(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    settings: Settings | None,
    augmentation: int,
) -> _Planned:
    chosen = settings or Settings()
    backbone, dataset = reference_of(backbone, "backbone"), reference_of(dataset, "dataset")
    plain, cuts = context.resolve(backbone, chosen.precision)
    try:
        record, manifest = look_again(context, dataset)
    except SourceGone as error:  # what is in the cache can be had without it
        told = f"{error.message}: its samples are those of before"
        tell(f"{told}. {error.hint}" if error.hint else told)
        record = context.datasets.get(dataset)
        manifest = context.manifest(record)
    cuts = calibrated(context, plain, cuts, record, manifest, chosen)
    entity = in_view(plain, augmentation)
    plan = ExtractionPlan.of(entity, cuts, record, chosen, backbone, augmentation)
    return _Planned(plan, plain, cuts, record, manifest)
