"""Kills within a commit while a real backbone runs on ten thousand pictures."""

import signal

import numpy as np
import pytest
from test_kills import POINTS

import headstart as hs
from conftest import draw, rows_in
from headstart.extractors.run.keys import keys_of

SAMPLES = 10_000
TIMES = (1, 2, 4)
"""At which commit of a run it is killed."""


@pytest.mark.slow
def test_efficientnet_lite0_killed_at_every_point_of_a_commit_under_load(ws, zygote, tmp_path):
    """Compared with an extraction that nobody disturbed, and that with TensorFlow's own numbers."""
    for number in range(SAMPLES):
        draw(tmp_path / "many" / f"c{number % 5}" / f"{number}.png", number, (16, 16))
    calm = hs.init(tmp_path / "calm")
    for zoo in (ws, calm):
        zoo.backbones.add("lite0", "zoo:efficientnet-lite0")
        zoo.datasets.add("many", tmp_path / "many")
    expected = calm.extract("lite0", "many").to_numpy()
    verified = calm.verify("lite0", "many", rows=64)
    assert verified["max_abs_diff"] < 1e-4 * np.abs(expected).max()
    (key,) = keys_of(*ws.context.resolve("lite0")).values()
    samples = ws.datasets.manifest("many").samples
    arguments = [
        "--workspace",
        ws.config.root,
        "extract",
        "lite0",
        "many",
        "--commit-seconds",
        "0.3",
    ]
    kills = 0
    for time in TIMES:
        for point in POINTS:
            before = rows_in(ws)
            zygote.start(arguments, (point, time))
            status = zygote.wait()
            assert status in (0, signal.SIGKILL)  # 0: fewer commits were left to do
            kills += status == signal.SIGKILL
            assert rows_in(ws) >= before
            rows, view = ws.context.cache().open_present(key, samples)
            assert len(rows) == rows_in(ws)
            if view is not None:
                close = np.abs(view.to_numpy() - expected[rows]).max()
                assert close < 1e-4 * np.abs(expected).max()
            del view
    assert kills >= 0.8 * len(TIMES) * len(POINTS)
    kept = rows_in(ws)
    view = ws.extract("lite0", "many")
    assert (view.report.computed, view.report.reused) == (SAMPLES - kept, kept)
    assert view.report.quarantined == 0
    assert np.abs(view.to_numpy() - expected).max() < 1e-4 * np.abs(expected).max()
    del view
    ws.cache.collect(ws.cache.find_garbage())
    shards = ws.context.feature_sets.find_all_shards()
    assert len(list(ws.config.features.rglob("*.h5"))) == len(shards)
