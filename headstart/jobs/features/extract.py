"""`ws.extract`: what is missing is computed, and all of it given as a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.cached import features_of, say_left_out, with_origin
from headstart.context import Context
from headstart.errors import FeatureError, SourceGone
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.engine import INT8
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.in_view import Opened
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.jobs.datasets.refresh import look_again
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
    views: int = 0,
) -> FeatureView:
    """See `Workspace.extract`; runs in this process without an executor."""
    if views:
        if augmentation:
            raise FeatureError(
                f"views is {views} and augmentation {augmentation}",
                hint="Views are those from the first on; give one of both.",
            )
        return extract_views(context, backbone, dataset, settings, progress, views, executor)[0]
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
    opened = _opened(context, planned)
    if executor is None:
        report = LocalExecutor(context).run_opened(planned.plan, opened, progress)
    else:
        for key in planned.plan.feature_keys.values():  # damage is put aside: workers don't
            context.cache().open_index(key)
        report = executor.run(planned.plan, progress)
    return _view_of(planned, opened, report)


def extract_views(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    settings: Settings | None = None,
    progress: Progress = silent,
    views: int = 0,
    executor: Executor | None = None,
) -> list[FeatureView]:
    """The features of the samples as they are and of the views 1 to `views`, each with its report;
    elsewhere than in this process they are computed one after the other."""
    if views < 0:
        raise FeatureError(f"views is {views}", hint="Give the number of augmented views.")
    parts = parts_of(reference_of(backbone, "backbone"))
    if not views or executor is not None:
        how = settings, progress
        return [
            extract(context, backbone, dataset, *how, view, executor) for view in range(views + 1)
        ]
    if len(parts) > 1:
        blocks_of(context, JOINED.join(parts))  # before anything is computed for them
        for part in parts_by_backbone(parts):
            extract_views(context, part, dataset, settings, progress, views)
        return [
            extract(context, backbone, dataset, settings, silent, view) for view in range(views + 1)
        ]
    first = _planned(context, backbone, dataset, settings, 0)
    planned = [first, *(_in_view(first, view, settings) for view in range(1, views + 1))]
    opened = [_opened(context, one) for one in planned]
    each = [(one.plan, own) for one, own in zip(planned, opened, strict=True)]
    reports = LocalExecutor(context).run_views(each, progress)
    return list(map(_view_of, planned, opened, reports))


def _in_view(first: _Planned, view: int, settings: Settings | None) -> _Planned:
    """What was planned for the samples as they are, in another view."""
    entity, asked = in_view(first.backbone, view), first.plan.asked
    chosen = settings or Settings()
    plan = ExtractionPlan.of(entity, first.cuts, first.dataset, chosen, asked, view)
    return replace(first, plan=plan)


def _opened(context: Context, planned: _Planned) -> Opened:
    """The samples of the plan, whatever others make of the dataset meanwhile."""
    augmentation = planned.plan.augmentation
    manifest = samples_in_view(planned.manifest, augmentation)
    entity = in_view(planned.backbone, augmentation)
    return opened_here(context, entity, planned.cuts, planned.dataset, manifest)


def _view_of(planned: _Planned, opened: Opened, report: Report) -> FeatureView:
    """The rows that were computed, and those that were there."""
    skipped = {sample["id"] for sample in report.skipped_samples}
    if report.skipped and not report.computed + report.reused:
        raise _nothing_readable(planned.dataset, report)
    features = opened.cache.open_view(report.feature_key, opened.manifest, report, skipped)
    if planned.plan.settings.on_error == "fail":  # who asked for skipping has them in the report
        say_left_out(features, planned.dataset.name)
    return with_origin(features, planned.backbone, planned.cuts[0], planned.dataset)


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
    if chosen.precision == INT8:
        from headstart.jobs.features.calibrate import calibrated

        cuts = calibrated(context, plain, cuts, record, manifest, chosen)
    entity = in_view(plain, augmentation)
    plan = ExtractionPlan.of(entity, cuts, record, chosen, backbone, augmentation)
    return _Planned(plan, plain, cuts, record, manifest)
