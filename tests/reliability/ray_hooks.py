"""What becomes of the processes of Ray's workers in tests: Ray calls these as they begin
(`worker_process_setup_hook`)."""

import os
import signal
import time

PAUSE = float(os.environ.get("RAY_HOOKS_PAUSE", "0.1"))


def slow():
    """Reading a task takes a moment, so that there is something left to be killed in."""
    _before_reading(lambda _samples: time.sleep(PAUSE))


def poisoned():
    """Whoever reads a sample with `poison` in its name dies."""

    def die(samples):
        if any("poison" in sample.id for sample in samples):
            os.kill(os.getpid(), signal.SIGKILL)

    _before_reading(die)


def _before_reading(hit):
    from headstart.extractors.run import worker

    real = worker._read_all

    def read_all(samples, read, step):
        hit(samples)
        return real(samples, read, step)

    worker._read_all = read_all
