"""The worker that everybody starts, as an actor: its body is `JobWorker`."""

from __future__ import annotations

import os
import threading

from headstart.context import Context
from headstart.errors import DatabaseGone, HeadstartError, Stalled, first_line
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.runtime import use_cores
from headstart.jobs.features.local_executor import LocalExecutor
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.on_ray.brief import Brief, Said
from headstart.progress import Progress, silent
from headstart.values.calls import called_as, host_name


class ActorWorker:
    """Works at one job in a thread of its own, so that it can be asked meanwhile.

    Args:
        brief: what it is told.
    """

    def __init__(self, brief: Brief) -> None:
        use_cores(brief.cores)
        self._brief = brief
        self._reports: list[Report] = []
        self._error: str | None = None
        self._has_left = self._is_lost = False
        threading.Thread(target=self._work, daemon=True).start()

    def said(self) -> Said:
        """How it is."""
        return Said(
            host=host_name(),
            process=os.getpid(),
            has_left=self._has_left,
            error=self._error,
            is_lost=self._is_lost,
            reports=tuple(self._reports) if self._has_left else (),
        )

    def _work(self) -> None:
        try:
            with called_as(lambda: f"a worker of job {self._brief.job} on Ray"):
                context = self._brief.place.open()
                works = JobWorker(context, executor=self._executor).run(self._brief.job)
            self._error = next((work.error for work in works if work.error), None)
        except HeadstartError as error:
            self._error = str(error)
            self._is_lost = isinstance(error, Stalled | DatabaseGone)
        except BaseException as error:
            self._error, self._is_lost = first_line(error), True
            raise  # into the log that Ray keeps of this process
        finally:
            self._has_left = True

    def _executor(self, context: Context, job: int) -> LocalExecutor:
        return _Reporting(context, job, self._reports)


class _Reporting(LocalExecutor):
    """As in any worker; what it did is kept to be told."""

    def __init__(self, context: Context, job: int, reports: list[Report]) -> None:
        super().__init__(context, job)
        self._reports = reports

    def run(self, plan: ExtractionPlan, progress: Progress = silent) -> Report:
        report = super().run(plan, progress)
        self._reports.append(report)
        return report
