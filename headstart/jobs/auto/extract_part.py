"""An extraction of some samples of a dataset, which is left as it is registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headstart.cached import with_origin
from headstart.context import Context
from headstart.errors import FeaturesMissing
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.jobs.features.local_executor import LocalExecutor, opened_here
from headstart.origins.blocks import Block
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.views import FeatureView


def extract_part(
    context: Context,
    backbone: Backbone,
    cuts: Sequence[Cut],
    dataset: Dataset,
    samples: SampleColumns,
    settings: Settings,
    progress: Progress = silent,
) -> Report:
    """Compute what is missing of some samples; what `progress` raises ends it, and what was
    computed until then is kept."""
    manifest = replace(context.manifests.open(dataset.manifest), samples=samples, parts=())
    asked = f"{backbone.label}@{','.join(cut.name for cut in cuts)}"
    plan = ExtractionPlan.of(backbone, cuts, dataset, settings, asked)
    opened = opened_here(context, backbone, cuts, dataset, manifest)
    return LocalExecutor(context).run_opened(plan, opened, progress)


def view_of_part(
    context: Context, block: Block, dataset: Dataset, samples: SampleColumns
) -> FeatureView:
    """The rows of those of some samples that have one.

    Raises:
        FeaturesMissing: none has.
    """
    _, view = context.cache().open_present(block.key, samples)
    if view is None:
        raise FeaturesMissing(
            f"none of {len(samples):,} samples of {dataset.name!r} has features of {block.name}",
            hint="Run `headstart extract`.",
        )
    return with_origin(view, block.backbone, block.cut, dataset)
