"""`ws.jobs`: what workers do, here or elsewhere: extractions, and what was begun on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.context import Context
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.extractors.run.settings import Settings
    from headstart.jobs.features.executor import Starter
    from headstart.jobs.features.job_progress import JobProgress
    from headstart.jobs.features.worker import Work
    from headstart.jobs.outcomes import Removed
    from headstart.registry.jobs import Job


@checks_arguments
class Jobs(Showable):
    """`ws.jobs`: plan, list, cancel, retry, remove, work; see docs/scaling.md."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        settings: Settings | None = None,
        augmentation: int = 0,
        executor: Starter | None = None,
        **options: Any,
    ) -> Job:
        """Plan an extraction for workers; nothing is computed here.

        Args:
            backbone: see `Workspace.extract`.
            dataset: likewise; it is looked at now, and by no worker again.
            settings: see `Workspace.extract`.
            augmentation: likewise.
            executor: a `RayExecutor`, whose workers begin with it; without one it waits for
                `headstart worker`.
            **options: fields of `hs.Settings`.
        """
        from headstart.extractors.run.settings import with_options
        from headstart.jobs.features.detach import detach
        from headstart.jobs.named import both_named

        chosen = with_options(settings, options)
        names = both_named(self._context, backbone, dataset, looks=False, on_error=chosen.on_error)
        return detach(self._context, *names, chosen, augmentation, executor)

    def find(self, limit: int | None = None) -> Results[JobProgress]:
        """The jobs, the newest first, each as far as the ledger says that it is now.

        Args:
            limit: so many at most.
        """
        from headstart.jobs.features.jobs import find_jobs

        return find_jobs(self._context, limit)

    def get(self, number: int) -> JobProgress:
        """One of them.

        Args:
            number: its number.

        Raises:
            NotFound: there is none of that number.
        """
        from headstart.jobs.features.jobs import get_job

        return get_job(self._context, number)

    def cancel(self, number: int) -> JobProgress:
        """End a job; its workers commit what they have in hand and leave within some seconds.

        Args:
            number: its number.

        Raises:
            RegistryError: it is done, or was cancelled before.
        """
        from headstart.jobs.features.jobs import cancel

        return cancel(self._context, number)

    def retry(self, number: int) -> JobProgress:
        """Open a job again, whatever became of it; what of it failed is tried anew.

        Args:
            number: its number.
        """
        from headstart.jobs.features.jobs import retry

        return retry(self._context, number)

    def remove(self, number: int) -> Removed:
        """Forget a job that is done, cancelled or failed; rows stay. A failed or cancelled one is
        kept until then, with the list of its samples, so that it can be opened again.

        Args:
            number: its number.

        Raises:
            StillInUse: it is not over.
        """
        from headstart.jobs.features.jobs import remove

        return remove(self._context, number)

    def work(
        self, number: int | None = None, *, wait: bool = False, progress: Progress = silent
    ) -> Results[Work]:
        """Be a worker, in this process, until nothing is left to do.

        Args:
            number: of the job; all that are open without it, the oldest first.
            wait: stay for jobs to come.
            progress: called with (samples done, samples to do).

        Raises:
            RegistryError: that job was cancelled, or has failed.
        """
        from headstart.jobs.features.worker import JobWorker

        return JobWorker(self._context, progress).run(number, wait=wait)

    def _facts(self) -> Results[JobProgress]:
        return self.find()

    def _line(self) -> str:
        return f"of {str(self._context.config.root)!r}"
