"""SIGKILL to real extractions, at random moments and at every point of a commit."""

import contextlib
import os
import signal
import time

import numpy as np
import pytest

from conftest import direct, draw, rows_in
from headstart.extractors.cache.gc import Choice
from headstart.extractors.run.keys import keys_of

SAMPLES, FEW = 600, 96
TOLERANCE = 1e-5
POINTS = (
    "before the write",
    "after the write",
    "after the fsync",
    "after the rename",
    "after the folder's fsync",
    "before the SQL commit",
    "after the SQL commit",
)
QUICK = ("after the write", "after the rename", "before the SQL commit", "after the SQL commit")
"""Points that are tried on every run; the others lie between them."""


@pytest.fixture
def job(ready, model, tmp_path, samples):
    """A workspace with small pictures, two cuts to extract, and what plain Keras gives."""
    for number in range(samples):
        draw(tmp_path / "many" / f"c{number % 3}" / f"{number}.png", number, (12, 12))
    ready.datasets.add("many", tmp_path / "many")
    return ready, Job(ready, model)


class Job:
    """Looks at a workspace as readers do."""

    def __init__(self, ws, model):
        self.ws = ws
        self.arguments = [
            "--workspace", ws.config.root, "extract", "net@features,relu|gap", "many",
            "--batch-size", "8", "--commit-seconds", "0",
        ]  # fmt: skip
        manifest = ws.datasets.manifest("many")
        self.manifest, self.samples = manifest, len(manifest.samples)
        view = type("View", (), {"samples": manifest.samples})
        self.expected = direct(ws, view, model)

    def committed(self):
        return rows_in(self.ws) // 2

    def check(self):
        """What is committed is served, and right; what is not is not."""
        _, cuts = self.ws.context.resolve("net@features,relu|gap")
        entity = self.ws.backbones.get("net")
        cache = self.ws.context.cache()
        for number, key in enumerate(keys_of(entity, cuts).values()):
            rows, view = cache.open_present(key, self.manifest.samples)
            assert cache.quarantined == 0
            assert len(rows) == self.committed()  # both cuts are committed in one transaction
            if number == 0 and view is not None:
                np.testing.assert_allclose(view.to_numpy(), self.expected[rows], atol=TOLERANCE)

    def complete(self):
        """A run to the end computes what is missing, no row twice, and leaves no wrong one."""
        kept = self.committed()
        report = self.ws.extract("net@features,relu|gap", "many").report
        assert (report.computed, report.reused) == (self.samples - kept, kept)
        assert report.quarantined == 0
        assert self.committed() == self.samples
        self.check()
        self.ws.cache.collect(self.ws.cache.find_garbage())
        files = {
            path.relative_to(self.ws.config.features)
            for path in self.ws.config.features.rglob("*.h5")
        }
        assert len(files) == len(self.ws.context.feature_sets.find_all_shards())
        assert not list(self.ws.config.features.rglob("*.partial"))
        assert self.ws.verify("net", "many", full=True)["corrupt"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "kills"), [(SAMPLES, 200)])
def test_a_run_killed_at_random_moments_loses_nothing_committed(job, zygote, samples, kills):
    ws, look = job
    rng = np.random.default_rng(kills)
    hit = 0
    for number in range(kills):
        before = look.committed()
        process = zygote.start(look.arguments)
        time.sleep(rng.uniform(0.3, 1.2))
        with contextlib.suppress(ProcessLookupError):  # it had ended
            os.kill(process, signal.SIGKILL)
        status = zygote.wait()
        assert status in (0, signal.SIGKILL)
        hit += status == signal.SIGKILL
        assert look.committed() >= before
        if number % 10 == 0:
            look.check()
        if look.committed() == samples:  # begin anew: the kills are to hit work
            start_over(ws)
    assert hit >= kills * 0.8
    look.complete()


def start_over(ws):
    keys = tuple(one.key for one in ws.context.feature_sets.find_sets())
    ws.cache.collect(ws.cache.find_garbage(Choice(sets=keys)))
    assert rows_in(ws) == 0


@pytest.mark.parametrize(
    ("point", "samples", "numbers"),
    [
        *((point, FEW, (1, 3)) for point in QUICK),
        *(pytest.param(p, SAMPLES, (1, 2, 5), marks=pytest.mark.slow) for p in POINTS),
    ],
)
def test_a_kill_at_every_point_of_a_commit_leaves_old_or_new(job, zygote, point, numbers):
    _, look = job
    for number in numbers:
        before = look.committed()
        zygote.start(look.arguments, (point, number))
        assert zygote.wait() == signal.SIGKILL
        assert look.committed() >= before
        look.check()
    look.complete()
