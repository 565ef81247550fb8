"""Features as they lie in the cache, as a view of a dataset that knows where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.context import Context
from headstart.errors import FeatureError, FeaturesMissing
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.notices import warn
from headstart.origins.blocks import (
    Block,
    Blocks,
    JoinedOrigin,
    Origin,
    blocks_of,
    check_common_input,
)
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import JOINED, parts_of, reference_of
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.joined.rows import scale_of
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import EACH, MEAN
from headstart.values.said import is_none_an_answer


def features_of(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    precision: str = "float32",
    augmentation: int = 0,
    scales: Sequence[float] = (),
) -> FeatureView:
    """The features of a dataset, from the cache only.

    Args:
        context: whose cache.
        backbone: `NAME[@CUT]`; several with ` + ` between them are joined.
        dataset: its name.
        precision: in what they were computed.
        augmentation: 0 for the samples as they are; k for the k-th augmentation.
        scales: see `join`.

    Raises:
        FeaturesMissing: some have not been extracted.
        FeatureError: several cuts are named, and are not joined.
    """
    record = context.datasets.get(dataset)
    if len(parts_of(reference_of(backbone, "backbone"))) > 1:
        blocks = blocks_of(context, backbone, precision)
        return features_of_blocks(context, blocks, record, augmentation, scales)
    entity, cuts = context.resolve(backbone, precision)
    check_one_cut(entity, cuts)
    return _features_of_one(context, Block(entity, cuts[0]), record, augmentation)


def features_of_blocks(
    context: Context,
    blocks: Sequence[Block],
    dataset: Dataset,
    augmentation: int = 0,
    scales: Sequence[float] = (),
) -> FeatureView:
    """The features of one block, or of several, joined; from the cache only.

    Raises:
        FeaturesMissing: some have not been extracted.
    """
    views = [_features_of_one(context, one, dataset, augmentation) for one in blocks]
    return views[0] if len(views) == 1 else join(views, scales)


def _features_of_one(
    context: Context, block: Block, dataset: Dataset, augmentation: int
) -> FeatureView:
    key = Block(in_view(block.backbone, augmentation), block.cut).key
    manifest = samples_in_view(context.manifests.open(dataset.manifest), augmentation)
    features = context.cache().open_view(key, manifest)
    say_left_out(features, dataset.name)
    return with_origin(features, block.backbone, block.cut, dataset)


def features_of_some(
    context: Context,
    blocks: Sequence[Block],
    dataset: Dataset,
    samples: SampleColumns,
    scales: Sequence[float] = (),
) -> FeatureView:
    """The rows of those of some samples that have one, of one block or of several, joined; from the
    cache only.

    Raises:
        FeaturesMissing: none has.
    """
    views = [_present_of_one(context, one, dataset, samples) for one in blocks]
    return views[0] if len(views) == 1 else join(views, scales)


def _present_of_one(
    context: Context, block: Block, dataset: Dataset, samples: SampleColumns
) -> FeatureView:
    _, view = context.cache().open_present(block.key, samples)
    if view is None:
        raise FeaturesMissing(
            f"none of {len(samples):,} samples of {dataset.name!r} has features of {block.name}",
            hint="Run `headstart extract`.",
        )
    return with_origin(view, block.backbone, block.cut, dataset)


def join(features: Sequence[FeatureView], scales: Sequence[float] = ()) -> FeatureView:
    """Features of the same samples side by side, as one; nothing is copied.

    Each is brought to a scale of its own: the root mean square of the standard deviations of its
    numbers over the train split becomes 1, so that none outweighs another by its units.

    Args:
        features: two or more, of one dataset, as `ws.extract` and `ws.features` give them.
        scales: by what each is divided, where that is known already.

    Raises:
        FeatureError: they are of different datasets, or of one as it was at different times; or a
            sample is missing in one.
    """
    origins = [one.origin for one in features]
    if len(features) < 2 or not all(isinstance(one, Origin) for one in origins):
        raise FeatureError(
            f"{len(features)} features are to be joined, of {', '.join(map(str, origins))}",
            hint="Give two or more that ws.extract or ws.features gave, each of one backbone.",
        )
    first = origins[0].dataset
    for one in origins[1:]:
        if one.dataset.digest != first.digest:
            was = "as it was at two times" if one.dataset.name == first.name else "and of another"
            raise FeatureError(
                f"features that are to be joined are of dataset {first.name!r} {was}: {origins[0]} "
                f"({first.samples:,} samples), {one} ({one.dataset.samples:,} samples)",
                hint="Extract both for one dataset as it is now.",
            )
    blocks = Blocks(Block(one.backbone, one.cut) for one in origins)
    check_common_input(blocks)
    scales = tuple(scales or (scale_of(_trained_on(one)) for one in features))
    made = features[0].beside(features[1:], scales)
    made.origin = JoinedOrigin(blocks, scales, first)
    return made


def _trained_on(view: FeatureView) -> FeatureView:
    """The train split, or all where it is empty."""
    part = view.split("train")
    return part if len(part) else view


def check_one_cut(backbone: Backbone, cuts: Sequence[Cut]) -> None:
    """See that one cut is named where the features of one are taken.

    Raises:
        FeatureError: there are several.
    """
    if len(cuts) > 1:
        names = ", ".join(cut.name for cut in cuts)
        raise FeatureError(
            f"{len(cuts)} cuts are named, {names}; the features of one are taken",
            hint=f"Name one, such as {backbone.label}@{cuts[0].name}, or join them: "
            f"'{JOINED.join(f'{backbone.label}@{cut.name}' for cut in cuts)}'.",
        )


def features_in_views(
    context: Context,
    backbone: str,
    dataset: str,
    precision: str,
    views: int,
    scales: Sequence[float] = (),
) -> list[FeatureView]:
    """The features of the train split in views 1 to `views`, from the cache only; joined ones on
    the scales of the samples as they are."""
    numbers = range(1, views + 1)
    return [features_of(context, backbone, dataset, precision, view, scales) for view in numbers]


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


def answered_in(task: object, view: FeatureView, *others: FeatureView) -> list[FeatureView]:
    """The rows that a task can learn, of views of the same samples: of several labels all, as none
    is an answer there; of other tasks those with a label (`labelled_in`), which is said once."""
    if is_none_an_answer(task):
        return [view, *others]
    return [labelled_in(view), *(one.labelled() for one in others)]


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


def unweighted(features: FeatureView) -> FeatureView:
    """The features, of whose samples all count alike; heads of them do without weights, also where
    they are trained again.

    Warns:
        HeadstartWarning: they did before.
    """
    if not features.samples.has_weights:
        warn("there are no weights of samples that could be ignored")
    return features.unweighted()
