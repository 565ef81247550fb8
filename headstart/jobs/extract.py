"""`ws.extract`: an extraction with all that it needs, recorded as a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from headstart.catalogue import SourceGone
from headstart.extractors import datasets as sources
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.extraction import Extraction
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.extractors.runtime import versions
from headstart.progress import Progress
from headstart.registry.entities import Run
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns
from headstart.storage.views import FeatureView

if TYPE_CHECKING:
    from headstart.workspace import Workspace


def extract(
    workspace: Workspace,
    backbone: str,
    dataset: str,
    settings: Settings,
    progress: Progress,
    view: int,
) -> FeatureView:
    """See `Workspace.extract`."""
    signs = LifeSigns(workspace.config.locks)
    plain, cuts = workspace.resolve(backbone, settings.precision)
    entity = in_view(plain, view)
    with suppress(SourceGone):
        workspace.datasets.refresh(dataset)
    record = workspace.datasets.get(dataset)
    manifest = samples_in_view(workspace.datasets.manifest(record), view)
    cache = workspace.cache()
    pipeline = workspace.pipeline(entity)
    chooser = workspace.chooser(entity)
    extraction = Extraction(
        backbone=entity,
        cuts=cuts,
        dataset=dataset,
        manifest=manifest,
        preprocessing=pipeline,
        choose=lambda needed, probe, samples, guard: chooser.choose(
            settings.engine, settings.precision, needed, probe, samples, settings.batch_size, guard
        ),
        open_reader=lambda: sources.SampleReader(manifest, record.options).read,
        open_lease=lambda: Lease(workspace.database, settings.lease_seconds, signs),
        repository=workspace.feature_sets,
        cache=cache,
        versions=versions(),
        settings=settings,
        progress=progress,
    )
    report = _recorded(workspace, extraction, backbone)
    skipped = {sample["id"] for sample in report.skipped_samples}
    features = cache.open_view(report.feature_key, manifest, report, skipped)
    return workspace.with_origin(features, plain, cuts[0], record)


def _recorded(workspace: Workspace, extraction: Extraction, subject: str) -> Report:
    """Run an extraction; however it ends, a run is recorded."""
    status = "interrupted"
    try:
        report = extraction.run()
        status = "done"
        return report
    except Exception as error:
        status = f"failed: {type(error).__name__}"[:20]
        raise
    finally:
        done = extraction.report
        names = ("samples", "unique", "computed", "reused", "skipped", "skipped_samples")
        counts = {name: getattr(done, name) for name in names}
        counts["engine"] = {"name": done.engine, **done.check}
        if done.computed or status != "done" or done.skipped:
            workspace.runs.add(
                Run("extract", subject, done.dataset, status, counts, done.seconds, versions())
            )
