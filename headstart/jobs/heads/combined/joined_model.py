"""The model of a head that takes joined features: what goes in, and the trunks side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.backbone_model import build_trunk, pipeline_of
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.heads.combined.joined_model import Trunk, attach_joined
from headstart.jobs.heads.inputs import is_inside, what_goes_in
from headstart.origins.blocks import Block
from headstart.registry.entities import Backbone
from headstart.storage.joined.rows import factor_of
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead


@dataclass(frozen=True)
class Whole:
    """A model and what it is checked with.

    Attributes:
        model: from what goes in to what the head says.
        inputs: some real samples as they go in: an array, or arrays by the inputs' names.
        rows: which rows of the view they are.
        takes: what goes in, in words.
        are_pixels: whether the arithmetic of the preprocessing is inside.
        names: of joined features the inputs of each backbone, by its own names.
    """

    model: Any
    inputs: Batch
    rows: np.ndarray
    takes: str
    are_pixels: bool
    names: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Of:
    """A backbone of the head.

    Attributes:
        backbone: the backbone.
        blocks: its cuts with their numbers among all.
        pipeline: its preprocessing.
        raw: some real samples before the arithmetic.
    """

    backbone: Backbone
    blocks: list[tuple[int, Block]]
    pipeline: Preprocessing
    raw: Batch


def whole_of_joined(head: TrainedHead, view: FeatureView, pixels: bool | None, name: str) -> Whole:
    """The model of a head that takes joined features.

    Backbones whose preprocessing gives the same share what goes in; of others each has an input of
    its own, such as pictures of two sizes.

    Args:
        head: whose.
        view: the joined features of samples that are there.
        pixels: see `Head.attach`.
        name: of the model.

    Raises:
        HeadError: pixels are asked for, and a backbone does not take one image.
    """
    blocks = head.blocks()
    of: dict[str, list[tuple[int, Block]]] = {}
    for number, block in enumerate(blocks):
        of.setdefault(block.backbone.reference, []).append((number, block))
    each, rows = list[_Of](), np.empty(0, np.int64)
    for own in of.values():
        backbone = own[0][1].backbone
        raw, rows = head.cached_samples(backbone, view)
        each.append(_Of(backbone, own, pipeline_of(head.context, backbone), raw))
    inside = all(is_inside(head, one.backbone, one.raw, pixels) for one in each)
    stages = [_stage(one, inside=inside) for one in each]
    behind = dict[str, str]()
    for stage, one in zip(stages, each, strict=True):
        plain = _plain(one.backbone)
        taken = plain in behind.values()
        behind.setdefault(stage, f"{plain}_{len(behind) + 1}" if taken else plain)
    trunks, fed, words = list[Trunk](), dict[str, np.ndarray](), dict[str, str]()
    for one, stage in zip(each, stages, strict=True):
        trunk = _trunk(head, one, "" if len(behind) == 1 else behind[stage], inside=inside)
        trunks.append(trunk)
        given = one.raw if inside else one.pipeline.finish(one.raw)
        for own_name, name_in_whole in trunk.inputs.items():
            fed[name_in_whole] = given[own_name] if isinstance(given, dict) else given
            words[name_in_whole] = what_goes_in(one.backbone, one.raw, inside=inside)
    model = attach_joined(trunks, [factor_of(scale) for scale in head.scales], head.stack, name)
    inputs: Batch = next(iter(fed.values())) if len(fed) == 1 else fed
    takes = "; ".join(f"{key}: {what}" for key, what in words.items())
    return Whole(
        model,
        inputs,
        rows,
        next(iter(words.values())) if len(words) == 1 else takes,
        inside,
        {one.backbone.reference: trunk.inputs for one, trunk in zip(each, trunks, strict=True)},
    )


def _stage(one: _Of, *, inside: bool) -> str:
    """What is alike of backbones that take the same."""
    return (one.pipeline.pixels if inside else one.pipeline).fingerprint


def _plain(backbone: Backbone) -> str:
    """Its name as a part of an input's, which every format takes."""
    return re.sub(r"\W", "_", f"_{backbone.label}")


def _trunk(head: TrainedHead, one: _Of, behind: str, *, inside: bool) -> Trunk:
    """The trunk of a backbone; what stands behind the names of its inputs is alike of those that
    take the same."""
    model = build_trunk(head.context, one.backbone, [block.cut for _, block in one.blocks])
    own = [tensor.name for tensor in model.inputs]
    given = ["samples"] if len(own) == 1 else own
    names = {n: f"{to}{behind}" for n, to in zip(own, ["pixels"] if inside else given, strict=True)}
    numbers = [number for number, _ in one.blocks]
    if not inside:
        return Trunk(model, numbers, names)
    assert isinstance(one.raw, np.ndarray)  # as it takes one image
    channels = one.backbone.inputs[0]["shape"][-1] or one.raw.shape[-1]
    affine = Affine.of(one.pipeline.arithmetic, channels)
    return Trunk(model, numbers, names, affine, one.raw.shape[1:])
