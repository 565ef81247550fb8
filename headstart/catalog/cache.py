"""`ws.cache`: care of the feature cache: explain, collect, compact, reindex, import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.context import Context
from headstart.progress import Progress, silent
from headstart.registry import listing
from headstart.registry.entities import Backbone, Dataset
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.extractors.cache.feature_import import Imported
    from headstart.extractors.cache.gc import Choice, Garbage
    from headstart.extractors.cache.reindex import Reindexed
    from headstart.extractors.run.explain import Explanation
    from headstart.jobs.features.compact import Compacted
    from headstart.jobs.features.details import FeatureSetDetails
    from headstart.jobs.features.gc import Collected
    from headstart.jobs.features.sync import Synced


@checks_arguments
class Cache(Showable):
    """Care of the feature cache; see `Workspace.cache`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def _facts(self) -> Any:
        """As `headstart features list --json` has it."""
        return listing.features(self._context.config)

    def _line(self) -> str:
        return f"of {str(self._context.config.root)!r}"

    def explain(
        self, backbone: str | Backbone, dataset: str | Dataset, precision: str = "float32"
    ) -> Explanation:
        """What `extract` would compute now, why each miss is one, and about what it would cost.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`.
            dataset: as it was when it was last looked at.
            precision: in what the backbone is to compute.
        """
        from headstart.jobs.features.explain import explain
        from headstart.jobs.named import both_named

        return explain(self._context, *both_named(self._context, backbone, dataset), precision)

    def details(self, key: str) -> FeatureSetDetails:
        """A feature set with its shards, and what other ways to store it would save.

        Args:
            key: its feature key, or the first letters of it.
        """
        from headstart.jobs.features.details import details

        return details(self._context, key)

    def gc(self, choice: Choice | None = None, *, apply: bool = False) -> Collected:
        """What may be deleted, as `find_garbage`; with `apply` it is deleted, as by `collect`."""
        from headstart.jobs.features.gc import gc

        return gc(self._context, choice, apply=apply)

    def find_garbage(self, choice: Choice | None = None) -> Results[Garbage]:
        """What may be deleted: files that nobody needs, and what `choice` says besides."""
        from headstart.jobs.features.gc import find_garbage

        return find_garbage(self._context, choice)

    def collect(self, found: Sequence[Garbage]) -> Results[Garbage]:
        """Delete what `find_garbage` found, as far as nobody uses it; gives what was deleted."""
        from headstart.jobs.features.gc import collect

        return collect(self._context, found)

    def compact(self, key: str | None = None, progress: Progress = silent) -> Compacted:
        """Merge small shards, of one feature set or of all; gives their number before and after."""
        from headstart.jobs.features.compact import compact

        return compact(self._context, key, progress)

    def reindex(self, progress: Progress = silent) -> Reindexed:
        """Register the shards and the heads that the database has lost; heads are on the backbones
        here that give their features, which are to be added first. Aliases, tags, sweeps and what
        was registered besides come back from a backup alone.

        Args:
            progress: called with (shards looked at, shards).
        """
        from headstart.jobs.features.reindex import reindex

        return reindex(self._context, progress)

    def sync(self, to: str | Path, sets: Sequence[str] = (), progress: Progress = silent) -> Synced:
        """Copy feature sets to another workspace, whether it keeps them in a folder or a bucket.

        Args:
            to: folder of the other workspace.
            sets: feature keys, or their first letters; all sets without any.
            progress: called with (bytes done, bytes in all).

        Raises:
            FeatureError: it is the same workspace, or a set lies there otherwise.
        """
        from headstart.jobs.features.sync import sync

        return sync(self._context, Path(to), sets, progress)

    def import_features(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        path: str | Path,
        *,
        check: int = 16,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Imported:
        """Store features that were made elsewhere as those of a backbone's cut.

        Args:
            backbone: `NAME[@CUT]`: what the features are declared to be.
            dataset: whose samples they belong to, matched by digest or id, never by position.
            path: an `.npz` with `features` and `digests` or `ids`; if it has a `key`, as
                `features export` writes, that must be this cut's feature key.
            check: so many rows, chosen by `seed`, are computed by the real model first; the file
                is refused if one differs by more than 1e-4 (relative L2 error). 0 believes it.
            seed: of that choice.
            progress: called with (rows read, rows in all).

        Raises:
            FeatureError: the file is not what it is declared to be; nothing was stored.
        """
        from headstart.jobs.features.import_features import import_features
        from headstart.jobs.named import both_named

        names = both_named(self._context, backbone, dataset)
        return import_features(
            self._context, *names, path, check=check, seed=seed, progress=progress
        )
