"""`extract --detach`: an extraction is planned and written down, and workers do it."""

from __future__ import annotations

from dataclasses import replace

from headstart.context import Context
from headstart.errors import FeatureError
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.settings import Settings
from headstart.extractors.runtime import versions
from headstart.jobs.features.executor import Starter
from headstart.jobs.features.extract import plan_extraction
from headstart.jobs.features.job_progress import JobProgress, progress_of
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.jobs import DONE, Job
from headstart.registry.references import JOINED, parts_by_backbone, parts_of, reference_of

DECIDING = frozenset(
    {"headstart", "tensorflow", "keras", "keras-hub", "pillow", "tokenizers", "soundfile", "soxr"}
)
"""Packages that decode samples or compute features."""


def detach(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    settings: Settings | None = None,
    augmentation: int = 0,
    starter: Starter | None = None,
) -> Job:
    """Plan an extraction, with the dataset looked at now and by no worker again, and queue it; with
    a starter workers begin with it. Where all is there already, the job is done at once.

    Raises:
        FeatureError: features are joined, of which each backbone is a job.
    """
    parts = parts_of(reference_of(backbone, "backbone"))
    if len(parts) > 1:
        raise FeatureError(
            f"features are joined, {JOINED.join(parts)}, where a job is of one backbone",
            hint="Add a job for each: "
            + " and ".join(f"ws.jobs.add({part!r}, …)" for part in parts_by_backbone(parts))
            + "; `headstart extract --detach` does so.",
        )
    plan = plan_extraction(context, backbone, dataset, settings, augmentation)
    found = progress_of(context, job_of(plan))
    if _is_done(found, plan):  # by digests; nobody comes after it who would see that rows are not
        found = progress_of(context, found.job, reads_rows=True)
    if _is_done(found, plan):
        return context.jobs.add(replace(found.job, state=DONE, counts=found.counts))
    return context.jobs.add(found.job) if starter is None else starter.start(plan)


def _is_done(found: JobProgress, plan: ExtractionPlan) -> bool:
    return found.state == DONE and (not found.failed or plan.settings.on_error == "skip")


def job_of(plan: ExtractionPlan) -> Job:
    """The job of a plan, not written down yet."""
    return Job(
        kind="extract",
        subject=plan.asked,
        dataset=plan.dataset,
        dataset_digest=plan.dataset_digest,
        plan=plan.to_json(),
        versions=deciding_versions(),
    )


def deciding_versions() -> dict[str, str]:
    """Versions of what features depend on, here."""
    return {name: version for name, version in versions().items() if name in DECIDING}
