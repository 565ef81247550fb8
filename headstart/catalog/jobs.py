"""`ws.jobs`: what workers do, here or elsewhere: extractions, rankings, audits, training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.context import Context
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import References
from headstart.registry.selection.words import checked_tags
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.extractors.run.settings import Settings
    from headstart.heads.combined.bagged import Bagged
    from headstart.heads.kind import HeadKind
    from headstart.heads.tasks import Task
    from headstart.jobs.features.executor import Starter
    from headstart.jobs.features.job_progress import JobProgress
    from headstart.jobs.features.worker import Work
    from headstart.jobs.heads.cross_validation import CrossValidation
    from headstart.jobs.outcomes import Removed
    from headstart.jobs.tasks.result import JobResult
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

    def rank(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
    ) -> Job:
        """Have cached features ranked by a worker, or by a page's server; see `Workspace.rank`.

        Args:
            dataset: name of a dataset, or a source.
            backbones: see `Workspace.rank`; what is named has to be in the cache.
            precision: in what they were computed.
            trying: on which folds.

        Returns:
            The job; the one that waits already for the very same.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.jobs.backbones.named import backbones_named
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.tasks.begin import begin
        from headstart.jobs.tasks.planned import pinned, told_of_trying
        from headstart.jobs.tasks.rank import RankTask
        from headstart.registry.references import references_of

        named = references_of(backbones_named(self._context, backbones), "backbone")
        features = tuple(pinned(self._context, one) for one in named)
        name = dataset_named(self._context, dataset)
        return begin(self._context, RankTask(name, features, precision, told_of_trying(trying)))

    def audit(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        pictures: bool = False,
    ) -> Job:
        """Have labels judged by a worker, or by a page's server; see `Workspace.audit`.

        Args:
            backbone: `NAME[@CUT]`, whose features are in the cache.
            dataset: name of a dataset, or a source.
            precision: in what they were computed.
            trying: on which folds.
            pictures: compare also how samples look.

        Returns:
            The job; the one that waits already for the very same.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.jobs.named import both_named
        from headstart.jobs.tasks.audit import AuditTask
        from headstart.jobs.tasks.begin import begin
        from headstart.jobs.tasks.planned import pinned, told_of_trying

        features, name = both_named(self._context, backbone, dataset)
        told = pinned(self._context, features), name, precision, pictures, told_of_trying(trying)
        return begin(self._context, AuditTask(*told))

    def train(
        self,
        name: str,
        backbone: str | Backbone,
        dataset: str | Dataset,
        kind: HeadKind | Bagged | str | None = None,
        *,
        seed: int = 0,
        task: Task | str | None = None,
        views: int = 0,
        windows: str | None = None,
        ignore_weights: bool = False,
        precision: str = "float32",
        tags: dict[str, str] | None = None,
    ) -> Job:
        """Have a head trained by a worker, or by a page's server; see `Heads.train`.

        Args:
            name: of the head.
            backbone: `NAME[@CUT]`, whose features are in the cache.
            dataset: name of a dataset, or a source.
            kind: see `Heads.train`.
            seed: likewise.
            task: likewise.
            views: likewise; they have to be in the cache.
            windows: likewise.
            ignore_weights: likewise.
            precision: in what the features were computed.
            tags: free keys and values, of this version.

        Returns:
            The job; the one that waits already for the very same.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.heads.kinds.every_kind import one_kind
        from headstart.heads.tasks import one_task
        from headstart.jobs.named import both_named
        from headstart.jobs.tasks.begin import begin
        from headstart.jobs.tasks.train import TrainTask

        named = both_named(self._context, backbone, dataset)
        made = None if kind is None else one_kind(kind)
        how: dict[str, Any] = {
            "seed": seed,
            "views": views,
            "ignore_weights": ignore_weights,
            "windows": windows,
            "precision": precision,
        }
        how["tags"] = checked_tags(tags)
        wanted = TrainTask.of(self._context, name, *named, made, one_task(task), **how)
        return begin(self._context, wanted)

    def result(self, number: int) -> JobResult:
        """What a job gave that is no extraction: a head's name, a map's key, or what its verb gives
        as JSON.

        Args:
            number: its number.

        Raises:
            NotFound: there is none of that number.
            RegistryError: it is an extraction, or is not done.
            ArtifactDamaged: the file of the result is gone, or is not what was kept.
        """
        from headstart.jobs.tasks.result import result_of

        return result_of(self._context, number)

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
