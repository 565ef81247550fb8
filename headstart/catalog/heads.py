"""`ws.heads`: the heads of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.catalog.collection import Collection
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.names import check_name
from headstart.storage.views import FeatureView
from headstart.values.showable import Results

if TYPE_CHECKING:  # what trains and runs heads is imported by who has one
    from headstart.catalog.head import Head
    from headstart.heads.kind import HeadKind
    from headstart.heads.tasks import Task


class Heads(Collection["Head"]):
    """`ws.heads`: train, list, get."""

    _table = "heads"

    def train(
        self,
        name: str,
        features: FeatureView,
        kind: HeadKind | str | None = None,
        *,
        seed: int = 0,
        task: Task | str | None = None,
        views: int = 0,
        windows: str | None = None,
    ) -> Head:
        """Train a head on features and their labels; the same name again is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            features: a view from `ws.extract` or `ws.features`.
            kind: `hs.Linear(…)` (the default), `hs.MLP(…)`, `hs.Ridge(…)` (the default for
                numbers)…, or its name: `"mlp"`.
            seed: of everything that chance decides.
            task: `hs.Classification(…)` (the default), `hs.MultiLabel(…)`, `hs.Ordinal(…)`,
                `hs.Regression()`, or its name: `"regression"`.
            views: train on so many augmented views as well; they have to be extracted.
            windows: of a dataset of windows, what a sample is to the head: the `mean` (the default)
                or `max` of the features of its windows; or `each`, which trains on every window and
                says the mean of what it says of a sample's. Scores count samples in any case.

        Raises:
            HeadError: the labels or splits do not allow it; the message says which.
        """
        from headstart.jobs.heads.train import train

        made = train(
            self._context,
            name,
            features,
            kind,
            seed=seed,
            task=task,
            views=views,
            windows=windows,
        )
        return self._head(made.record)

    def get(self, reference: str) -> Head:
        """The head of that name (its latest version), `NAME:VERSION`, or alias."""
        return self._head(self._context.heads.get(reference))

    def alias(self, alias: str, reference: str) -> Head:
        """Let `alias`, such as `production`, mean this head, whatever it meant before.

        Raises:
            AlreadyExists: a head has that name.
        """
        check_name(alias, "alias")
        return self._head(self._context.heads.set_alias(alias, reference))

    def list(self) -> Results[Head]:
        return Results(self._head(record) for record in self._context.heads.find_all())

    def _head(self, record: HeadRecord) -> Head:
        from headstart.catalog.head import Head

        return Head(self._context, record)
