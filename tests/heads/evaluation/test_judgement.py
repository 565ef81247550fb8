"""What the page says of a head's test samples is as sure as the head's own score."""

import numpy as np
import pytest

from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.trials.judged import Judged
from headstart.jobs.heads.care.judgement import judgement_of
from headstart.storage.samples import Sample

GROUPS, EACH = 20, 25


def judged(group_of):
    """Whole groups are right or wrong, at about 0.7; the head is sure of some, less of others."""
    count = GROUPS * EACH
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(GROUPS) < 0.7, EACH)
    sure = np.where(rng.random(count) < 0.5, 0.9, 0.6).astype(np.float32)
    guesses = np.zeros(count, np.int64)
    samples = [
        Sample(str(row), f"{row:064x}", "a", "test", row, group=group_of(row))
        for row in range(count)
    ]
    probabilities = np.stack([sure, 1 - sure], axis=1)
    return Judged(samples, probabilities, np.where(right, 0, 1), guesses)


def test_intervals_of_samples_in_groups_are_those_of_groups():
    said = judged(lambda row: f"patient {row // EACH}")
    found = judgement_of(said, ["a", "b"])
    right, clusters = said.guesses == said.targets, clusters_of(said.samples)
    assert found.covered[0].interval == share_interval_of(right, clusters)
    alone = wilson_interval(int(right.sum()), len(right))
    assert found.covered[0].interval[0] < alone[0] - 0.1
    surest = said.sure > 0.8
    assert found.covered[85].interval == found.bins[-1].interval
    assert found.bins[-1].interval == share_interval_of(right[surest], clusters.rows(surest))
    assert found.covered[95].samples == 0 and found.covered[95].interval is None


def test_intervals_of_samples_that_are_independent_are_wilsons():
    said = judged(lambda row: None)
    found = judgement_of(said, ["a", "b"])
    right = int((said.guesses == said.targets).sum())
    assert found.covered[0].interval == pytest.approx(wilson_interval(right, len(said.samples)))
    assert [one.samples for one in found.bins] == [
        int((said.sure < 0.8).sum()),
        int((said.sure > 0.8).sum()),
    ]
    for one in found.bins:
        assert one.interval == pytest.approx(
            wilson_interval(round(one.right * one.samples), one.samples)
        )
