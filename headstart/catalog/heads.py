"""`ws.heads`: the heads of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.catalog.collection import Collection
from headstart.progress import Progress, silent
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.names import check_name
from headstart.registry.references import reference_of
from headstart.registry.selection.age import Age, Pruned
from headstart.registry.selection.words import checked_tags
from headstart.storage.views import FeatureView
from headstart.values.arguments import checks_arguments

if TYPE_CHECKING:  # what trains and runs heads is imported by who has one
    from headstart.catalog.head import Head
    from headstart.heads.combined.bagged import Bagged
    from headstart.heads.kind import HeadKind
    from headstart.heads.tasks import Task
    from headstart.jobs.heads.care.remove import RemovedHeads
    from headstart.jobs.heads.compare import Compared
    from headstart.jobs.heads.sweep import Sweep


@checks_arguments
class Heads(Collection["Head", HeadRecord]):
    """`ws.heads`: train, list, get."""

    _table = "heads"

    def train(
        self,
        name: str,
        features: FeatureView,
        kind: HeadKind | Bagged | str | None = None,
        *,
        seed: int = 0,
        task: Task | str | None = None,
        views: int = 0,
        windows: str | None = None,
        ignore_weights: bool = False,
        tags: dict[str, str] | None = None,
    ) -> Head:
        """Train a head on features and their labels; the same name again is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            features: a view from `ws.extract` or `ws.features`.
            kind: `hs.Linear(…)` (the default), `hs.MLP(…)`, `hs.Ridge(…)` (the default for
                numbers)…, or its name: `"mlp"`; or `hs.Bagged(hs.MLP(), bags=10)`, ten of a kind.
            seed: of everything that chance decides.
            task: `hs.Classification(…)` (the default), `hs.MultiLabel(…)`, `hs.Ordinal(…)`,
                `hs.Regression()`, or its name: `"regression"`.
            views: train on so many augmented views as well; they have to be extracted.
            windows: of a dataset of windows, what a sample is to the head: the `mean` (the default)
                or `max` of the features of its windows; or `each`, which trains on every window and
                says the mean of what it says of a sample's. Scores count samples in any case.
            ignore_weights: count all samples alike, though the dataset has weights of them.
            tags: free keys and values, of this version.

        Raises:
            HeadError: the labels or splits do not allow it; the message says which.
        """
        from headstart.cached import unweighted
        from headstart.jobs.heads.train import train

        given = checked_tags(tags)
        made = train(
            self._context,
            name,
            unweighted(features) if ignore_weights else features,
            kind,
            seed=seed,
            task=task,
            views=views,
            windows=windows,
        )
        record = made.record
        if given:
            record = self._context.heads.set_tags(f"{record.name}:{record.version}", given)
        return self._head(record)

    def get(self, reference: str) -> Head:
        """The head of that name (its latest version), `NAME:VERSION`, or alias."""
        return self._head(self._context.heads.get(reference))

    def compare(self, one: str | Head, other: str | Head) -> Compared:
        """Two heads of one dataset on the test samples that both were judged on.

        Of every score that both have, the second's less the first's, with its 95 % interval over
        pairs; which samples the second fixed and which it broke; and whether that is more than
        chance, by McNemar's mid-p test. Backbones, kinds and ways to take windows together may
        differ; samples are counted.

        Args:
            one: the first: its name, `NAME:VERSION`, alias, or itself.
            other: the second, likewise.

        Raises:
            HeadError: they are of different datasets or tasks, have no test sample in common, or
                the dataset is not what it was then.
            FeaturesMissing: features are not cached any more.
        """
        from headstart.jobs.heads.compare import compare

        first, second = (self.get(reference_of(given, "head")) for given in (one, other))
        return compare(first, second)

    def alias(self, alias: str, reference: str) -> Head:
        """Let `alias`, such as `production`, mean this head, whatever it meant before.

        Raises:
            AlreadyExists: a head has that name.
        """
        check_name(alias, "alias")
        return self._head(self._context.heads.set_alias(alias, reference))

    def tag(self, reference: str | Head, tags: dict[str, str | None]) -> Head:
        """Set tags of a version, and take those away that are None.

        Raises:
            InvalidValue: a key or value cannot be one.
            NotFound: a tag that is to be taken away is not there.
        """
        given = checked_tags(tags)
        return self._head(self._context.heads.set_tags(reference_of(reference, "head"), given))

    def train_from_sweep(
        self, name: str, sweep: int, row: int = 1, *, precision: str | None = None
    ) -> Head:
        """Train a head with a setting that a sweep tried, on its features, with its seed.

        Args:
            name: of the head; see `train`.
            sweep: its number, as `ws.sweeps.find_all()` has it.
            row: of the sweep; 1 is the best.
            precision: in what the features were computed; that of the sweep without it.

        Raises:
            NotFound: there is no such sweep.
            HeadError: it has no such row, or tried heads on few samples of each class.
            FeaturesMissing: the features are not cached any more.

        Warns:
            HeadstartWarning: the dataset is not what it was then.
        """
        from headstart.cached import features_of
        from headstart.jobs.heads.care.kept_trial import kept_trial

        tried = kept_trial(self._context, sweep, row, precision)
        features = features_of(self._context, tried.features, tried.dataset, tried.precision)
        return self.train(name, features, tried.kind, **tried.how)

    def train_ensemble(
        self,
        name: str,
        sweep: int | Sweep,
        *,
        rounds: int = 50,
        progress: Progress = silent,
        tags: dict[str, str] | None = None,
    ) -> Head:
        """Train several heads of a sweep as one, which says the mean of what they say.

        Which they are is chosen greedily, with replacement (Caruana et al. 2004), by what the
        sweep's heads said of samples that they were not trained on, and by its objective. The
        members are trained as `train` would, and scored together on the test split, beside the best
        of them alone: `record.settings["beside"]`.

        Args:
            name: of the head; see `train`.
            sweep: what `ws.sweep` gave; or its number, of which the 30 best settings are tried
                again, as what they said is not kept.
            rounds: how often a head is taken at most.
            progress: called with (settings tried again, settings in all).
            tags: free keys and values, of this version.

        Raises:
            NotFound: there is no such sweep.
            HeadError: it tried heads on few samples of each class, or the dataset has changed.
            FeaturesMissing: features are not cached any more.
        """
        from headstart.jobs.heads.combined.ensemble import train_ensemble

        given = checked_tags(tags)
        made = train_ensemble(self._context, name, sweep, rounds=rounds, progress=progress)
        record = made.record
        if given:
            record = self._context.heads.set_tags(f"{record.name}:{record.version}", given)
        return self._head(record)

    def import_(self, path: str | Path, name: str | None = None) -> Head:
        """Register a head that `Head.export` wrote, as the next version of its name, on the
        backbone here, by whatever name, that gives the features on which it was trained.

        Its scores are those that it had there; `versions["imported"]` says where it comes from.

        Args:
            path: of the file.
            name: under which it is registered; its own without it.

        Raises:
            HeadError: it is another file or damaged, or no backbone here gives those features.
        """
        from headstart.jobs.heads.care.import_head import import_head

        return self._head(import_head(self._context, path, name).record)

    def remove(
        self, reference: str | Head, *, keep: int | None = None, force: bool = False
    ) -> RemovedHeads:
        """Forget a head: one version, or all but the latest `keep` of a name.

        Its file goes with the next `ws.cache.gc(apply=True)`; cached features stay. No other head
        gets its name and version, and it counts as a look at its test samples for ever.

        Args:
            reference: its name (the latest version), `NAME:VERSION`, alias, or itself.
            keep: how many versions of the name stay; of older ones those that are in use stay, too.
            force: remove also what is in use: has an alias, or was fine-tuned.

        Raises:
            StillInUse: it is in use, and neither `keep` nor `force` is given.
            HeadError: `keep` is below 1, or the reference is to one version.
        """
        from headstart.jobs.heads.care.remove import remove

        named = reference_of(reference, "head")
        return remove(self._context, named, keep=keep, force=force)

    def prune(
        self,
        name: str | None = None,
        *,
        keep: int | None = None,
        older: str | datetime | None = None,
        apply: bool = False,
    ) -> Pruned:
        """Forget old versions of heads, but for the latest of each name and what is in use: has an
        alias, or was fine-tuned; says which those are, and removes nothing, without `apply`.

        Args:
            name: of one head; all without it.
            keep: how many versions of a name stay in any case.
            older: versions of after that stay, too: a moment, or such as `90d`.
            apply: remove them.

        Raises:
            InvalidValue: neither `keep` nor `older` is given, or one cannot be that.
        """
        from headstart.jobs.heads.care.remove import prune

        return prune(self._context, name, Age.read(keep, older), apply=apply)

    def _records(self) -> Sequence[HeadRecord]:
        return self._context.heads.find_all()

    def _made(self, record: HeadRecord) -> Head:
        return self._head(record)

    def _head(self, record: HeadRecord) -> Head:
        from headstart.catalog.head import Head

        return Head(self._context, record)
