"""The seam where extractions are run: in this process, or by workers elsewhere."""

from __future__ import annotations

from typing import Protocol

from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.progress import Progress, silent
from headstart.registry.jobs import Job


class Executor(Protocol):
    """Runs a plan until every sample of it has its rows, or is known to be unreadable.

    Who calls: one thread calls `run`, once at a time; `cancel` may come from any other thread or
    from a signal handler, also when nothing runs.

    What holds: several executors, in one process or on several machines, may run the same plan at
    once: samples are claimed under leases in the database, each is computed once, and all of them
    end when all rows are there. What is committed stays, however a run ends, so a plan may be run
    again at any time; running it when nothing is missing computes nothing. An executor keeps no
    state between two plans. The run is recorded in the database.

    Errors are those of `Extraction.run`, or a `FeatureError` with the same words where they come
    from another process; a plan that does not fit what is here (another backbone, another dataset)
    is refused before anything is computed.

    Attributes:
        name: for messages.
    """

    name: str

    def run(self, plan: ExtractionPlan, progress: Progress = silent) -> Report:
        """Run it to its end; `progress` is called by this thread with (done, to do).

        Raises:
            Cancelled: `cancel` was called; what was computed by then is committed.
        """
        ...

    def cancel(self) -> None:
        """End the run under way soon; without one nothing happens."""
        ...


class Starter(Protocol):
    """Lets workers elsewhere begin with a plan, and does not wait for them."""

    def start(self, plan: ExtractionPlan) -> Job:
        """The job that they work at; the one under way, if somebody asked for the same before."""
        ...
