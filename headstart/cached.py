"""Features as they lie in the cache, as a view of a dataset that knows where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.context import Context
from headstart.errors import FeatureError
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.keys import keys_of
from headstart.notices import warn
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import EACH, MEAN


@dataclass(frozen=True)
class Origin:
    """Where a view's features come from."""

    backbone: Backbone
    cut: Cut
    dataset: Dataset

    def __str__(self) -> str:
        return f"{self.backbone.label}@{self.cut.name} of {self.dataset.name}"


def features_of(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    precision: str = "float32",
    augmentation: int = 0,
) -> FeatureView:
    """The features of a dataset, from the cache only.

    Args:
        context: whose cache.
        backbone: `NAME[@CUT]`.
        dataset: its name.
        precision: in what they were computed.
        augmentation: 0 for the samples as they are; k for the k-th augmentation.

    Raises:
        FeaturesMissing: some have not been extracted.
        FeatureError: several cuts are named.
    """
    entity, cuts = context.resolve(backbone, precision)
    check_one_cut(entity, cuts)
    record = context.datasets.get(dataset)
    (key,) = keys_of(in_view(entity, augmentation), cuts[:1]).values()
    manifest = samples_in_view(context.manifests.open(record.manifest), augmentation)
    features = context.cache().open_view(key, manifest)
    say_left_out(features, record.name)
    return with_origin(features, entity, cuts[0], record)


def check_one_cut(backbone: Backbone, cuts: Sequence[Cut]) -> None:
    """See that one cut is named where the features of one are taken.

    Raises:
        FeatureError: there are several.
    """
    if len(cuts) > 1:
        names = ", ".join(cut.name for cut in cuts)
        raise FeatureError(
            f"{len(cuts)} cuts are named, {names}; the features of one are taken",
            hint=f"Name one, such as {backbone.label}@{cuts[0].name}.",
        )


def features_in_views(
    context: Context, backbone: str, dataset: str, precision: str, views: int
) -> list[FeatureView]:
    """The features of the train split in views 1 to `views`, from the cache only."""
    numbers = range(1, views + 1)
    return [features_of(context, backbone, dataset, precision, view) for view in numbers]


def of_samples(features: FeatureView, windows: str | None = None) -> FeatureView:
    """The rows that are compared, ranked and trained on: of windows, the mean of each sample's.

    Args:
        features: of a dataset.
        windows: `mean`, `max` or `each`; what the view is, else `mean`, without it.

    Raises:
        FeatureError: they are grouped in another way already, or the dataset has no windows.
    """
    if features.windows is None and windows is not None:
        raise FeatureError(
            f"windows is {windows!r}, and {features.origin or 'the dataset'} has no windows",
            hint="Leave it out, or add the dataset with --window.",
        )
    is_grouped = features.windows not in (None, EACH)
    return features.grouped(windows or (features.windows if is_grouped else MEAN) or MEAN)


def say_left_out(view: FeatureView, dataset: str) -> None:
    """Warn of samples that a view should have and has not."""
    if not view.left_out:
        return
    warn(
        f"{dataset}: {len(view.left_out):,} of {len(view.left_out) + len(view):,} samples are left "
        f"out, such as {view.left_out[0].id!r}: they could not be read. `headstart dataset show "
        f"{dataset}` lists them, `headstart dataset forget-failures {dataset}` lets them be tried "
        "again."
    )


def labelled_in(features: FeatureView) -> FeatureView:
    """The rows that can be learned; where some have a label, those that have none are left out, and
    said. Where none has, all of them: whoever needs labels says so.

    Warns:
        HeadstartWarning: how many are left out.
    """
    found = features.labelled()
    if not len(found) or found is features:
        return features
    name = f"{features.origin.dataset.name}: " if features.origin is not None else ""
    warn(
        f"{name}{len(features) - len(found):,} of {len(features):,} samples have no label and are "
        "left out; `headstart features next` says which to label"
    )
    return found


def with_origin(view: FeatureView, backbone: Backbone, cut: Cut, dataset: Dataset) -> FeatureView:
    """The view, knowing where it comes from."""
    view.origin = Origin(backbone, cut, dataset)
    return view
