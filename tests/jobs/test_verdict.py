"""What fine-tuning says of samples in groups."""

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.jobs.heads.verdict import right_text


def test_one_group_that_got_better_is_no_proof():
    """McNemar's test took its 20 samples for 20 proofs: mid-p <0.001, significantly more."""
    groups = np.repeat(np.arange(10), 20)
    was = groups > 0
    now = np.ones(200, bool)
    alone, together = (right_text(was, now, clusters) for clusters in (None, Clusters.of(groups)))
    assert "significantly more often" in alone and "McNemar" in alone
    assert "not significantly more or less often" in together and "McNemar" not in together
    assert "independent groups (10)" in together and "20 samples fixed, 0 broken" in together


def test_what_got_better_in_all_groups_is_significant():
    groups = np.repeat(np.arange(30), 20)
    was = np.arange(600) % 4 > 0
    text = right_text(was, np.ones(600, bool), Clusters.of(groups))
    assert "is significantly more often right" in text
    assert "no interval, independent groups (1)" in right_text(
        was, was, Clusters(np.zeros(600, int))
    )
