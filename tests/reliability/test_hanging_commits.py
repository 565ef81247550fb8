"""A commit that hangs in the middle of a run: the run is ended, and its end does not hang too."""

import threading

import numpy as np
import pytest

from headstart.errors import Stalled
from headstart.extractors.run.writer import Writer
from headstart.extractors.watchdog import Watchdog


@pytest.mark.parametrize("hanging", [1, 2])
def test_a_commit_that_hangs_before_the_last_ends_the_run(hanging):
    released, commits, raised = threading.Event(), [], []

    def commit(digests, _features):
        commits.append(digests)
        if len(commits) == hanging:
            released.wait(240)

    def run():
        try:
            with Writer(1, commit, lambda _size, _since: True, Watchdog(0.3)) as writer:
                for number in range(4):
                    writer.add([f"{number:064}"], [np.zeros((1, 2), np.float32)])
        except Stalled as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(120)
    hangs = thread.is_alive()
    released.set()
    thread.join(120)
    assert not hangs
    assert "committing 1 row" in raised[0].message
    assert len(commits) == hanging
