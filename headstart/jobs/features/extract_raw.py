"""`ws.transformer`: the features of samples in hand, computed once for each content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from headstart.context import Context
from headstart.errors import SampleChanged, SampleUnreadable
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.run.in_view import Opened
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.unreadable import IN_HAND, WITHOUT
from headstart.extractors.runtime import cores
from headstart.jobs.features.local_executor import LocalExecutor, opened_here
from headstart.jobs.raw_samples import RawSample
from headstart.notices import warn
from headstart.progress import silent
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.views import FeatureView


def extract_raw(
    context: Context, backbone: Backbone, cut: Cut, items: Sequence[RawSample], settings: Settings
) -> FeatureView:
    """The features of samples that belong to no dataset; what is missing is computed and committed.

    Each is read to find out what it is, and once more if it is not in the cache. The `location` of
    each sample in the view is its place among the items: with `on_error` `skip` some are missing.

    Raises:
        SampleError: a sample cannot be read, and `on_error` is `fail`; or none can.
    """
    with ThreadPoolExecutor(cores()) as pool:
        digests = list(pool.map(lambda item: digest_of(item.read()), items))
    times = Counter(item.name for item in items)
    ids = [one.name if times[one.name] == 1 else f"{one.name} [{n}]" for n, one in enumerate(items)]
    samples = tuple(
        Sample(id_, digest, None, "train", place)
        for place, (id_, digest) in enumerate(zip(ids, digests, strict=True))
    )
    manifest = Manifest(IN_HAND, IN_HAND, samples)
    dataset = Dataset(
        name=IN_HAND,
        kind=IN_HAND,
        source=IN_HAND,
        options={},
        digest=manifest.digest,
        manifest="",
        samples=len(samples),
        unique=manifest.unique,
        classes=[],
    )
    asked = f"{backbone.reference}@{cut.name}"
    plan = ExtractionPlan.of(backbone, [cut], dataset, settings, asked)
    opened = _opened(context, backbone, cut, dataset, manifest, items)
    report = LocalExecutor(context).run_opened(plan, opened, silent)
    if report.skipped:  # also what an extraction skipped before, which is on record
        lost = report.skipped_samples
        if settings.on_error == "fail" or not report.computed + report.reused:
            first = lost[0]
            raise SampleUnreadable(f"{first['id']} cannot be read: {first['reason']}", hint=WITHOUT)
        warn(
            f"{len(lost):,} of {len(items):,} samples that were given cannot be read and are left "
            f"out, such as {lost[0]['id']}: {lost[0]['reason']}"
        )
    skipped = {one["id"] for one in report.skipped_samples}
    return opened.cache.open_view(report.feature_key, manifest, report, skipped)


def _opened(
    context: Context,
    backbone: Backbone,
    cut: Cut,
    dataset: Dataset,
    manifest: Manifest,
    items: Sequence[RawSample],
) -> Opened:
    def read(sample: Sample) -> object:
        item = items[int(sample.location)]
        raw = item.read()
        if digest_of(raw) != sample.digest:
            raise SampleChanged(f"{item.name} has changed while it was read")
        return raw

    return replace(opened_here(context, backbone, [cut], dataset, manifest), read=read)
