"""The verbs of a workspace that try heads on cached features: rank, sweep, search, auto, audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from headstart.heads.tasks import Task
    from headstart.jobs.auto.found import Auto
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
        kinds: str | Sequence[str] | None = None,
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
            kinds: a name or several; `headstart doctor` lists them. Without them linear heads, of
                numbers ridge ones, and mlps.
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

    def auto(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        *,
        minutes: float = 5.0,
        name: str | None = None,
        output: str | Path | None = None,
        kinds: str | Sequence[str] = (),
        download: bool = False,
        precision: str = "float32",
        folds: int = 5,
        limit: int = 20_000,
        seed: int = 0,
        on_error: str = "fail",
        overwrite: bool = False,
        task: Task | str | None = None,
        progress: Progress = silent,
        watch: Callable[[str], None] | None = None,
    ) -> Auto:
        """From a dataset to a checked head in a given time.

        A linear head, of numbers a ridge head, on the cheapest backbone comes first; where there is
        no time for its features of all samples, of as many as there is time for, of each class and
        split a share (`found.taken`). Then backbones, cuts and kinds of heads are tried by
        successive halving on folds of the train and validation splits: on few samples first, the
        cheapest backbones first, by what their samples take here. The default is kept unless
        something else is better beyond chance on the same folds; the chosen head is scored once on
        the test split, which takes no part in the choice.

        Ctrl-C ends the search, and what was best so far is trained.

        Args:
            dataset: name of a dataset, or a source, such as a folder, which is registered; where
                nothing comes of it, it is so no longer.
            backbones: `NAME[@CUT[,CUT…]]`, one or several; without them those that are registered
                and take such samples, then those of the zoo whose weights are here.
            minutes: that it may take in all.
            name: of the head; that of the dataset without it.
            output: where the chosen head is saved, attached to its backbone; see `Head.attach`.
            kinds: names of the kinds of heads that are tried behind the default, one or several;
                all without them.
            download: whether weights of the zoo may be fetched.
            precision: in what backbones compute.
            folds: on which heads are tried.
            limit: of so many samples at most.
            seed: of all random choices.
            on_error: what to do about a sample that cannot be read, `fail` or `skip`.
            overwrite: write `output` over what is there.
            task: what labels mean, such as `hs.Regression()`, or its name; without it numbers
                where they look like numbers, several where they are joined by `|`, else a class.
            progress: called with (seconds spent, seconds in all).
            watch: told what is done now.

        Raises:
            HeadError: the labels or splits do not allow it, or no backbone takes the samples.
            AlreadyExists: `output` is there.
        """
        from headstart.jobs.auto.auto import auto, registered_for, unwatched
        from headstart.jobs.auto.found import Wanted

        before = {one.name for one in self.context.datasets.find_all()}
        features = self._features(dataset, backbones, precision)
        target = None if output is None else Path(output)
        how: dict[str, Any] = {"folds": folds, "limit": limit, "seed": seed, "on_error": on_error}
        how |= {"precision": precision, "download": download, "output": target, "kinds": kinds}
        how |= {"task": task}
        with registered_for(self.context, features.dataset, is_new=features.dataset not in before):
            return auto(
                self.context,
                features.dataset,
                features.backbones,
                Wanted(minutes, name, overwrite=overwrite, **how),
                progress=progress,
                watch=watch or unwatched,
            )

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
