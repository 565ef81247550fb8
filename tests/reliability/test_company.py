"""Extracting, reading, verifying, collecting and compacting one workspace, all at once."""

import numpy as np
import pytest

from conftest import direct, draw, network, rows_in
from headstart.extractors.run.keys import keys_of

SAMPLES = 300


@pytest.mark.slow
def test_everything_at_once_loses_nothing_and_serves_nothing_wrong(ws, zygotes, tmp_path):
    """Two real extractions, while this process does everything else again and again."""
    for number in range(SAMPLES):
        draw(tmp_path / "many" / f"c{number % 3}" / f"{number}.png", number, (12, 12))
    model = network()
    model.save(tmp_path / "network.keras")
    ws.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    ws.datasets.add("many", tmp_path / "many")
    samples = ws.datasets.manifest("many").samples
    expected = direct(ws, type("View", (), {"samples": samples}), model)
    entity, cuts = ws.context.resolve("net")
    (key,) = keys_of(entity, cuts).values()
    arguments = ["--workspace", ws.config.root, "extract", "net", "many",
                 "--batch-size", "4", "--commit-seconds", "0"]  # fmt: skip
    for zygote in zygotes[:2]:
        zygote.start(arguments)
    held, rounds, compacted, last = [], 0, 0, 0
    while rows_in(ws) < SAMPLES:
        rows, view = ws.context.cache().open_present(key, samples)
        if view is not None:
            np.testing.assert_allclose(view.to_numpy(), expected[rows], atol=1e-5)
            assert len(rows) >= last  # nothing committed goes away
            last = len(rows)
            if rounds % 5 == 0:
                held.append((rows, view))
            before, after = ws.cache.compact(key)
            compacted += before - after
            del view
        ws.cache.collect(ws.cache.find_garbage())
        rounds += 1
    assert [zygote.wait() for zygote in zygotes[:2]] == [0, 0]
    assert rounds >= 3
    assert compacted > 0
    for rows, view in held:  # opened long ago, with shards that were merged away since
        np.testing.assert_allclose(view.to_numpy(), expected[rows], atol=1e-5)
    held.clear()
    view = None  # the last of them; on a busy machine there may be none
    done = ws.extract("net", "many")
    assert (done.report.computed, done.report.quarantined) == (0, 0)
    np.testing.assert_allclose(done.to_numpy(), expected, atol=1e-5)
    assert rows_in(ws) == SAMPLES
    assert ws.verify("net", "many", full=True)["corrupt"] == 0
    del done
    ws.cache.collect(ws.cache.find_garbage())
    files = list(ws.config.features.rglob("*.h5"))
    assert len(files) == len(ws.context.feature_sets.find_all_shards())
