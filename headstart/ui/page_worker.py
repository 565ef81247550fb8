"""What is begun on the page is a job of the ledger, at which the page's server works itself."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from threading import Lock

from headstart.context import Context
from headstart.errors import DatabaseGone
from headstart.extractors.daemons import Daemons
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.task import Task
from headstart.registry.jobs import RUNNING, Job
from headstart.values.logs import logger

NAP_SECONDS = 1.0
"""Until a job that another worker has is looked at again."""


class PageWorker:
    """As `headstart worker` for the jobs that it is told of, one after the other: those who wait do
    not slow down who is at work. Other workers may take them first.

    Args:
        context: of the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._pool: Daemons | None = None
        self._worker: JobWorker | None = None
        self._is_stopped = False
        self._told = set[int]()

    def begin(self, task: Task) -> Job:
        """Have something done.

        Raises:
            HeadstartError: it cannot be, as far as is known before it is computed.
        """
        job = begin(self._context, task)
        self.work_at(job.id)
        return job

    def work_at(self, number: int) -> None:
        """Work at a job, when those before are done."""
        with self._lock:
            if self._pool is None:
                self._pool = Daemons(1)
            self._told.add(number)
        self._pool.submit(self._work, number)

    def has(self, number: int) -> bool:
        """Whether it works at a job, or will."""
        with self._lock:
            return number in self._told

    def stop(self) -> None:
        """Give back what is under way as soon as it can be broken off, and begin nothing more."""
        self._is_stopped = True
        if self._worker is not None:
            self._worker.stop()

    def _waits(self, number: int) -> bool:
        return not self._is_stopped and self._context.jobs.get(number).is_open

    def _outlast(self) -> bool:
        """Wait until the database answers; whether it does, as this worker may be stopped."""
        while not self._is_stopped:
            time.sleep(NAP_SECONDS)
            with suppress(DatabaseGone):
                self._context.jobs.find_open()
                return True
        return False

    def _work(self, number: int) -> None:
        worker, is_left = JobWorker(self._context), False
        self._worker = worker
        try:
            if not self._is_stopped and self._context.jobs.get(number).is_open:
                works = worker.run(number)
                is_left = all(one.state == RUNNING for one in works) and self._waits(number)
        except DatabaseGone as error:  # it is waited for: nobody else is told of the job
            logger(__name__).log(logging.WARNING, "job %d waits: %s", number, error.message)
            is_left = self._outlast()
        except Exception as error:  # nobody waits for it; what became of the job is in the ledger
            logger(__name__).log(logging.ERROR, "the page left job %d", number, exc_info=error)
        finally:
            self._worker = None
        if is_left:  # who has it may leave it undone, as where it was opened again
            time.sleep(NAP_SECONDS)
            self.work_at(number)
            return
        with self._lock:
            self._told.discard(number)
