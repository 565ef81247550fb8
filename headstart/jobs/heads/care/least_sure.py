"""`head.least_sure`: the test samples of whose class a head is least sure."""

from __future__ import annotations

import numpy as np

from headstart.errors import HeadError
from headstart.jobs.heads.care.judgement import judge, verdicts_of
from headstart.jobs.heads.care.label_next import ToLabel
from headstart.trained_head import TrainedHead
from headstart.values.showable import Results


def least_sure(head: TrainedHead, count: int = 20, dataset: str | None = None) -> Results[ToLabel]:
    """See `Head.least_sure`."""
    if count < 1:
        raise HeadError(f"count is {count}", hint="Give 1 or more.")
    if dataset not in (None, head.record.dataset):
        raise HeadError(
            f"head {head.record.name!r} was tested on {head.record.dataset!r}, not on {dataset!r}",
            hint="Only of its own test samples it is known that it has not seen them.",
        )
    judged = judge(head)
    order = np.argsort(judged.sure, kind="stable")[:count]
    return Results(
        ToLabel(one.sample, one.guess, one.probability)
        for one in verdicts_of(judged, head.record.classes, order)
    )
