"""An extraction of some samples of a dataset, which is left as it is registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headstart.context import Context
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.jobs.features.local_executor import LocalExecutor, opened_here
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns


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
