"""A worker at a task: it holds the whole job under a lease, so that no two do it at once, and that
others see whether it lives."""

from __future__ import annotations

import errno
import logging
import time
from collections import deque
from collections.abc import Callable

from headstart.context import Context
from headstart.errors import (
    Cancelled,
    DatabaseGone,
    DatasetError,
    HeadstartError,
    StorageError,
    first_line,
)
from headstart.extractors.run.suspects import TRIES
from headstart.jobs.tasks.kinds import task_of
from headstart.jobs.tasks.task import Outcome, packed
from headstart.progress import Progress, watched
from headstart.registry.jobs import DONE, FAILED, QUEUED, Job, key_of_task
from headstart.registry.leases import Lease
from headstart.storage.artifacts import HELD_AS
from headstart.storage.locks import LifeSigns
from headstart.values.calls import host_name
from headstart.values.logs import logger

LEASE_SECONDS = 60.0
LOOK_SECONDS = 1.0
"""So often it is written down how far it is, and seen whether it was cancelled."""
GIVEN_UP = f"{TRIES} workers died that had it"


class TaskWorker:
    """Works at one job that is no extraction.

    Args:
        context: of the workspace.
        job: that is open.
        progress: called with (done, all).
        is_stopped: whether this worker is to end.
    """

    def __init__(
        self, context: Context, job: Job, progress: Progress, is_stopped: Callable[[], bool]
    ) -> None:
        self._context = context
        self._job = job
        self._progress = progress
        self._is_stopped = is_stopped
        self._looked = time.monotonic()

    def run(self) -> str | None:
        """Do it, unless another does; gives why it failed, if it did.

        Raises:
            DatabaseGone: there is nothing to write it into.
        """
        if max(self._context.jobs.find_tries(self._job.id).values(), default=0) >= TRIES:
            return self._fail(GIVEN_UP)
        key, signs = key_of_task(self._job.id), LifeSigns(self._context.config.locks)
        with Lease(self._context.database, LEASE_SECONDS, signs, self._job.id) as lease:
            if not lease.claim((key,), deque([key]), 1).digests:
                return None
            return self._work()

    def _work(self) -> str | None:
        try:
            self._keep(self._outcome())
        except Cancelled:
            return None
        except DatabaseGone:
            raise
        except HeadstartError as error:
            return self._leave(error) if _is_of_this_machine(error) else self._fail(str(error))
        except Exception as error:  # written down where it was asked for, and said here
            logger(__name__).log(logging.ERROR, "job %d failed", self._job.id, exc_info=error)
            return self._fail(f"unexpected {first_line(error)}")
        return None

    def _outcome(self) -> Outcome:
        task = task_of(self._job)
        self._need_same_dataset()
        with watched(self._look_meanwhile):
            outcome = task.run(self._context, self._look)
        self._need_same_dataset()
        return outcome

    def _need_same_dataset(self) -> None:
        """What a job gives is of the dataset as it was when it was planned.

        Raises:
            DatasetError: it is another version by now.
        """
        now = self._context.datasets.get(self._job.dataset).digest
        if now != self._job.dataset_digest:
            raise DatasetError(
                f"dataset {self._job.dataset!r} is version {now[:12]} by now, and the job was "
                f"planned with {self._job.dataset_digest[:12]}",
                hint="Begin it again, with the dataset as it is.",
            )

    def _look(self, done: int, total: int) -> None:
        """How far it is; at the ends and every second it is written down.

        Raises:
            Cancelled: by who stopped this worker, or closed the job.
            DatasetError: it is another version by now, where all is done but to register it.
        """
        self._progress(done, total)
        self._need_not_stop()
        is_between = 0 < done < total
        if is_between and not self._is_time():
            return
        self._need_open()
        if done == total:
            self._need_same_dataset()
        counts = {"samples": total, "committed": done, "failed": 0, "missing": total - done}
        self._context.jobs.note(self._job.id, None, counts)

    def _look_meanwhile(self, _done: int, _total: int) -> None:
        """Within a step, as a fit has steps of its own.

        Raises:
            Cancelled: see `_look`.
        """
        self._need_not_stop()
        if self._is_time():
            self._need_open()

    def _is_time(self) -> bool:
        return time.monotonic() - self._looked >= LOOK_SECONDS

    def _need_not_stop(self) -> None:
        if self._is_stopped():
            raise Cancelled("the worker was stopped")

    def _need_open(self) -> None:
        self._looked = time.monotonic()
        if self._context.jobs.get(self._job.id).updated_at != self._job.updated_at:
            raise Cancelled("the job was closed")

    def _keep(self, outcome: Outcome) -> None:
        """Keep what it gave: the file first, then the row."""
        with self._context.holds.hold(HELD_AS):  # `features gc` leaves alone what has no row yet
            result = dict(outcome.facts)
            if outcome.document is not None:
                result["document"] = self._context.artifacts.keep(packed(outcome.document))
            steps = self._context.jobs.get(self._job.id).counts.get("samples", 0) or 1
            counts = {"samples": steps, "committed": steps, "failed": 0, "missing": 0}
            self._change(DONE, "finish", counts=counts, result=result)

    def _leave(self, error: HeadstartError) -> str:
        """Others may do what this machine cannot: it stays open, with a note."""
        counts = self._context.jobs.get(self._job.id).counts
        note = f"a worker on {host_name()} left: {error}"
        self._context.jobs.note(self._job.id, note, counts)
        return str(error)

    def _fail(self, said: str) -> str:
        self._change(FAILED, "fail", error=said)
        return said

    def _change(self, state: str, action: str, **more: object) -> None:
        """Unless somebody closed or opened it since."""
        self._context.jobs.change(
            self._job.id,
            state,
            action,
            out_of=(QUEUED,),
            as_of=self._job.updated_at,
            **more,  # type: ignore[arg-type]
        )


def _is_of_this_machine(error: BaseException) -> bool:
    """Whether another machine may do it: here a disk is full, a store out of reach, or a package is
    not installed. What is missing or damaged in the workspace is so for all."""
    cause: BaseException | None = error
    while cause is not None:
        is_of_disk = isinstance(cause, OSError) and cause.errno not in (None, errno.ENOENT)
        if is_of_disk or isinstance(cause, ImportError | ConnectionError | StorageError):
            return True
        cause = cause.__cause__
    return False
