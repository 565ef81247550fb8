"""The verbs of a workspace that look around in cached features without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.context import Context
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results
from headstart.values.sizes import MILLION

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.jobs.exploration.cluster import Clusters
    from headstart.jobs.exploration.cover import Cover
    from headstart.jobs.exploration.drift import Drift
    from headstart.jobs.exploration.duplicates import Duplicates
    from headstart.jobs.exploration.looked_at import LookedAt
    from headstart.jobs.exploration.map import Mapped
    from headstart.jobs.exploration.outliers import Outlier
    from headstart.jobs.exploration.retriever import Retriever
    from headstart.jobs.exploration.similar import Similar


@checks_arguments
class Exploration:
    """A part of `Workspace`."""

    context: Context

    def similar(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        samples: Any = None,
        *,
        ids: str | Sequence[str] | None = None,
        texts: str | Sequence[str] | None = None,
        text_backbone: str | Backbone | None = None,
        count: int = 10,
        precision: str = "float32",
        index: bool | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "fail",
        progress: Progress = silent,
    ) -> Results[Similar]:
        """The samples of a dataset most similar to others, by the cosine of their features.

        Up to a million samples are all compared, in blocks; more are looked for by an index, whose
        candidates are compared. Whoever asks more than once asks a `retriever`.

        Args:
            backbone: `NAME[@CUT]`, by whose features.
            dataset: in which is looked; of samples with windows, by the mean of theirs.
            samples: what to compare with: paths, arrays, pictures, texts, as `head.predict` takes
                them. What is not in the cache is computed and kept.
            ids: samples of the dataset itself instead; they are no matches of themselves.
            texts: texts instead, compared with features of pictures by a backbone that gives texts
                features in the same space.
            text_backbone: that backbone, `NAME[@CUT]`; the one that the tag `text-backbone` of
                `backbone` names without it.
            count: how many matches of each.
            precision: in what the features were computed.
            index: see `retriever`.
            limit: look at so many samples at most, chosen by `seed`; at all without it.
            seed: of that choice.
            on_error: `fail` at a sample that was given and cannot be read, or `skip` it.
            progress: called with (samples in the index, in all) while one is made.

        Returns:
            One for each sample that was given and not skipped, in order.

        Raises:
            FeaturesMissing: the dataset's features have not been extracted.
            FeatureError: an index is wanted, and USearch is not installed.
            BackboneError: texts are given, and no backbone shares a space with this one.
            NotFound: the dataset has no sample of an id.
            SampleError: a sample cannot be read.
        """
        from headstart.jobs.exploration.opened_index import retriever_of

        among = self._looked_at(backbone, dataset, precision, limit, seed)
        asked = retriever_of(among, index, progress, is_kept=False)
        return asked.similar(
            samples,
            ids=ids,
            texts=texts,
            text_backbone=text_backbone,
            count=count,
            on_error=on_error,
        )

    def retriever(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        precision: str = "float32",
        index: bool | None = None,
        limit: int | None = None,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Retriever:
        """What answers `similar` again and again, with the features opened once.

        Args:
            backbone: `NAME[@CUT]`, by whose features.
            dataset: in which is looked; of samples with windows, by the mean of theirs.
            precision: in what the features were computed.
            index: True looks by an index (USearch, extra `search`), which is made once and kept as
                long as its features; False compares all samples; without a word there is one of
                more than a million, where USearch is installed.
            limit: look at so many samples at most, chosen by `seed`; at all without it.
            seed: of that choice.
            progress: called with (samples in the index, in all) while one is made.

        Raises:
            FeaturesMissing: the dataset's features have not been extracted.
            FeatureError: an index is wanted, and USearch is not installed.

        Warns:
            HeadstartWarning: the index finds fewer of the nearest than it should.
        """
        from headstart.jobs.exploration.opened_index import retriever_of

        among = self._looked_at(backbone, dataset, precision, limit, seed)
        return retriever_of(among, index, progress)

    def map(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        method: str = "pca",
        *,
        seed: int = 0,
        precision: str = "float32",
    ) -> Mapped:
        """Two numbers a sample: those with similar features lie near each other.

        They are kept, and served again until the dataset has other samples; corrected labels
        change nothing of them.

        Args:
            backbone: `NAME[@CUT]`, by whose features.
            dataset: name of a dataset; all its splits are shown, labels are not needed.
            method: `pca` (of up to 1,000,000 samples, seconds), `tsne` (10,000, minutes) or `umap`
                (50,000, minutes); of more some are shown, chosen by `seed`.
            seed: of the method.
            precision: in what the features were computed.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: there is no such method, or there are fewer than 5 samples.
        """
        from headstart.jobs.exploration.map import map_samples

        return map_samples(self.context, backbone, dataset, method, seed=seed, precision=precision)

    def duplicates(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        pictures: bool = False,
        across: bool = False,
        precision: str = "float32",
        limit: int = MILLION,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Duplicates:
        """The samples that are nearly the same, those across the border of the test split first.

        Copies of one content, pairs that are much nearer to each other than to what is around them,
        and with `pictures` those that look alike; as `audit` finds them, without any label.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at.
            pictures: whether pictures are read, and compared by how they look, too.
            across: only pairs whose samples stand in two splits.
            precision: in what the features were computed.
            limit: look at so many samples at most, chosen by `seed`.
            seed: of that choice.
            progress: called with (pictures read, pictures in all).

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.jobs.exploration.duplicates import duplicates

        among = self._looked_at(backbone, dataset, precision, limit, seed)
        return duplicates(among, pictures=pictures, across=across, progress=progress)

    def outliers(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        count: int = 20,
        *,
        precision: str = "float32",
        limit: int = MILLION,
        seed: int = 0,
    ) -> Results[Outlier]:
        """The samples that are unlike all others: far from their tenth nearest.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at, labels are not needed.
            count: how many; the most unlike first.
            precision: in what the features were computed.
            limit: look at so many samples at most, chosen by `seed`.
            seed: of that choice.

        Raises:
            FeaturesMissing: some have not been extracted.
            FeatureError: there are fewer than two samples.
        """
        from headstart.jobs.exploration.outliers import outliers

        return outliers(self._looked_at(backbone, dataset, precision, limit, seed), count)

    def cover(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        count: int = 20,
        *,
        beside_labelled: bool = False,
        precision: str = "float32",
        limit: int = MILLION,
        seed: int = 0,
    ) -> Cover:
        """A few samples to which all others are near (k-center): label these first.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at.
            count: how many samples.
            beside_labelled: samples that have a label count as taken already.
            precision: in what the features were computed.
            limit: look at so many samples at most, chosen by `seed`.
            seed: of that choice.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.jobs.exploration.cover import cover

        among = self._looked_at(backbone, dataset, precision, limit, seed)
        return cover(among, count, beside_labelled=beside_labelled)

    def cluster(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        count: int = 10,
        *,
        precision: str = "float32",
        limit: int = MILLION,
        seed: int = 0,
    ) -> Clusters:
        """The samples in groups that lie together (k-means), without any label.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at.
            count: how many clusters.
            precision: in what the features were computed.
            limit: look at so many samples at most, chosen by `seed`.
            seed: of that choice and of the clusters.

        Raises:
            FeaturesMissing: some have not been extracted.
            FeatureError: there are fewer samples than clusters.
        """
        from headstart.jobs.exploration.cluster import cluster

        return cluster(self._looked_at(backbone, dataset, precision, limit, seed), count, seed)

    def drift(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        other: str | Dataset,
        *,
        precision: str = "float32",
        limit: int = 5_000,
        seed: int = 0,
    ) -> Drift:
        """Whether the samples of two datasets differ: how well a linear head tells them apart that
        was trained on others (classifier two-sample test; Lopez-Paz and Oquab, ICLR 2017), of all
        and of each class.

        Args:
            backbone: `NAME[@CUT]`, by whose features.
            dataset: the first; labels are needed for the classes alone.
            other: the second, such as what was predicted since.
            precision: in what the features were computed.
            limit: look at so many samples of each at most, chosen by `seed`.
            seed: of all chance.

        Raises:
            FeaturesMissing: some have not been extracted.
            FeatureError: one has fewer than 20 samples, or both have the same.
        """
        from headstart.jobs.exploration.drift import drift

        here, there = (
            self._looked_at(backbone, one, precision, limit, seed) for one in (dataset, other)
        )
        return drift(here, there, seed)

    def _looked_at(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        precision: str,
        limit: int | None,
        seed: int,
    ) -> LookedAt:
        from headstart.jobs.exploration.looked_at import LookedAt

        return LookedAt.of(self.context, backbone, dataset, precision, limit=limit, seed=seed)
