"""Random weights of intervals are drawn once where many are of the same samples."""

import numpy as np

from headstart.heads.evaluation import bootstrap
from headstart.heads.evaluation.bootstrap import Unseen, mean_interval, weights_kept


def test_intervals_are_the_same_whether_their_weights_are_kept_or_drawn(monkeypatch):
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=(3, 200))
    drawn = [mean_interval(one, unseen=Unseen(0.0, 9.0)) for one in losses]
    given, times = bootstrap._drawn_weights, []
    monkeypatch.setattr(
        bootstrap, "_drawn_weights", lambda count: times.append(count) or given(count)
    )
    with weights_kept():
        kept = [mean_interval(one, unseen=Unseen(0.0, 9.0)) for one in losses]
        assert times == [200]
        mean_interval(losses[0][:150], unseen=Unseen(0.0, 9.0))
        assert times == [200, 150]
    assert kept == drawn
    mean_interval(losses[0], unseen=Unseen(0.0, 9.0))
    assert times == [200, 150, 200]  # nothing is kept behind the block


def test_weights_of_very_many_samples_are_not_kept(monkeypatch):
    monkeypatch.setattr(bootstrap, "MOST_KEPT", 10)
    with weights_kept():
        mean_interval(np.arange(50.0), unseen=Unseen(0.0, 99.0))
        assert bootstrap._KEPT.get() == {}
