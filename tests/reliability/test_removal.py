"""Features that are deleted while they are read: right rows or an error, never wrong ones."""

import threading

import numpy as np
import pytest

import headstart as hs
from conftest import direct, rows_in
from headstart.errors import HeadstartError

EAGER = hs.Settings(batch_size=4, commit_seconds=0)


def test_another_process_cannot_collect_what_is_being_read(ready, zygote, model):
    view = ready.extract("net", "pics", settings=EAGER)
    expected = direct(ready, view, model)
    collect = ["--workspace", ready.config.root, "features", "gc", "--set", view.key, "--apply"]
    for _ in range(3):
        zygote.start(collect)
        for rows, _ in view.batches(5):
            assert len(rows) <= 5
        np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
        assert zygote.wait() == 0
        np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert rows_in(ready) == 36
    del view
    zygote.start(collect)
    assert zygote.wait() == 0
    assert rows_in(ready) == 0
    assert not list(ready.config.features.rglob("*.h5"))


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_files_that_somebody_deletes_by_hand_give_right_rows_or_an_error(ready, model, rounds):
    """`rm` asks nobody: at a random moment of a reader's passes over all rows."""
    expected = direct(ready, ready.extract("net", "pics", settings=EAGER), model)
    rng = np.random.default_rng(rounds)
    for _ in range(rounds):
        view = ready.features("net", "pics")
        files = sorted(ready.config.features.rglob("*.h5"))
        chosen = rng.permutation(len(files))[: rng.integers(1, len(files) + 1)]
        delete = [files[number].unlink for number in chosen.tolist()]
        remover = threading.Timer(rng.uniform(0, 0.02), lambda run=delete: [one() for one in run])
        remover.start()
        for number in range(20):
            try:
                order = np.random.default_rng(number).permutation(36)
                np.testing.assert_allclose(view[order], expected[order], atol=1e-5)
            except HeadstartError as error:
                assert "\n" not in str(error)
        remover.join()
        del view
        report = ready.extract("net", "pics", settings=EAGER).report
        assert report.computed + report.reused == 36
        assert report.computed > 0
        np.testing.assert_allclose(ready.features("net", "pics").to_numpy(), expected, atol=1e-5)
