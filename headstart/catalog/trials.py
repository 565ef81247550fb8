"""The verbs of a workspace that try heads on cached features: rank, sweep, search, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headstart.context import Context
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import References
from headstart.registry.selection.words import checked_tags
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.heads.evaluation.ranking import Rank
    from headstart.heads.kinds.every_kind import Kinds
    from headstart.jobs.datasets.audit import Audit
    from headstart.jobs.heads.cross_validation import CrossValidation, Features
    from headstart.jobs.heads.sweep import Sweep, Watch
    from headstart.jobs.heads.trials import TrialExecutor


@checks_arguments
class Trials:
    """A part of `Workspace`."""

    context: Context

    def rank(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
        executor: TrialExecutor | None = None,
    ) -> Results[Rank]:
        """Which cached features suit a dataset, from the most accurate down.

        Linear heads and nearest neighbours are tried on folds of the train and validation splits;
        the test split is not looked at.

        Args:
            dataset: name of a dataset, or a source.
            backbones: `NAME[@CUT[,CUT…]]`, one or several; all whose features are cached without
                them.
            precision: in what they were computed.
            trying: on which folds.
            progress: called with (cuts done, cuts in all).
            executor: who tries the heads, such as a `headstart.jobs.on_ray.RayTrials`; this
                process without one.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.datasets.rank import rank

        features = self._features(dataset, backbones, precision)
        return rank(self.context, features, trying=trying, progress=progress, executor=executor)

    def sweep(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        kinds: Kinds = (),
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
        executor: TrialExecutor | None = None,
        tags: dict[str, str] | None = None,
    ) -> Sweep:
        """Try many heads on folds of cached features; the result is kept in SQL: `ws.sweeps`.

        Args:
            dataset: name of a dataset, or a source.
            backbones: `NAME[@CUT[,CUT…]]`, one or several; all whose features are cached without
                them.
            kinds: `hs.Linear(strengths)`, each strength for itself; `hs.MLP(…)`, `hs.Ridge(…)`…;
                one or several, or their names.
            precision: in what the features were computed.
            trying: on which folds.
            progress: called with (heads fitted, heads in all).
            watch: called with `BACKBONE@CUT` and a setting's result as soon as it is there.
            jobs: processes; as many as there are cores without it.
            executor: see `rank`.
            tags: free keys and values.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.heads.sweep import sweep, unwatched

        given = checked_tags(tags)
        done = sweep(
            self.context,
            self._features(dataset, backbones, precision),
            kinds,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            by=jobs if executor is None else executor,
        )
        return self._tagged(done, given)

    def search(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        kinds: str | Sequence[str] = ("linear", "mlp"),
        *,
        trials: int = 50,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
        executor: TrialExecutor | None = None,
        tags: dict[str, str] | None = None,
    ) -> Sweep:
        """As `sweep`, but each setting is chosen by Optuna from what those before gave.

        Args:
            dataset: name of a dataset, or a source.
            backbones: see `sweep`; the cut is one of the settings.
            kinds: a name or several; `headstart doctor` lists them.
            trials: how many settings.
            precision: in what the features were computed.
            trying: on which folds.
            progress: called with (settings tried, settings in all).
            watch: called with `BACKBONE@CUT` and a setting's result as soon as it is there.
            jobs: processes; as many as there are cores without it.
            executor: see `rank`.
            tags: free keys and values.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it, or Optuna (extra `search`) is not installed.
        """
        from headstart.jobs.heads.search import search
        from headstart.jobs.heads.sweep import unwatched

        given = checked_tags(tags)
        done = search(
            self.context,
            self._features(dataset, backbones, precision),
            kinds,
            trials=trials,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            by=jobs if executor is None else executor,
        )
        return self._tagged(done, given)

    def audit(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        pictures: bool = False,
        progress: Progress = silent,
    ) -> Audit:
        """Labels worth a look and near duplicates of a dataset, found by its cached features.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at.
            precision: in what the features were computed.
            trying: the folds on which heads judge labels that they were not trained on.
            pictures: whether pictures are read, too, and those that look alike named.
            progress: called with (pictures read, pictures in all), then with (heads fitted, heads
                in all).

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: some labels are missing, or a class has fewer samples than there are folds.
        """
        from headstart.jobs.datasets.audit import audit
        from headstart.jobs.named import both_named

        return audit(
            self.context,
            *both_named(self.context, backbone, dataset),
            precision=precision,
            trying=trying,
            pictures=pictures,
            progress=progress,
        )

    def _tagged(self, done: Sweep, tags: Mapping[str, str | None]) -> Sweep:
        if tags and done.id is not None:
            self.context.sweeps.set_tags(done.id, tags)
        return done

    def _features(self, dataset: str | Dataset, backbones: References, precision: str) -> Features:
        """Which features are asked for, by registered names."""
        from headstart.jobs.backbones.named import backbones_named
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.heads.cross_validation import Features
        from headstart.jobs.named import in_order

        first = backbones[0] if isinstance(backbones, list | tuple) and backbones else backbones
        with in_order(self.context, first, dataset):
            names = backbones_named(self.context, backbones)
            return Features.of(dataset_named(self.context, dataset), names, precision)
