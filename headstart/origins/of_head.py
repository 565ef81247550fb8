"""The features that a head takes: as its record names them, and as they are to be had here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError, LayerNotFound, NotFound
from headstart.extractors.run.keys import gives
from headstart.origins.blocks import Block, Blocks, JoinedOrigin, Origin
from headstart.registry.entities import Backbone, Head

MEMBERS = "members"
"""In the settings of an ensemble: its heads, each with what it takes of the ensemble's features."""
JOINED = "joined"
"""In a head's settings: the features that it takes side by side."""


@dataclass(frozen=True)
class Known:
    """Features of one backbone at one cut, as a head's record names them.

    Attributes:
        backbone: `NAME:VERSION`.
        cut: of it.
        feature_key: of the feature set.
        scale: by what its numbers are divided.
    """

    backbone: str
    cut: str
    feature_key: str
    scale: float = 1.0

    @property
    def is_right(self) -> bool:
        """Whether its fields are what they are to be: a head may come from elsewhere."""
        texts = self.backbone, self.cut, self.feature_key
        is_scale = isinstance(self.scale, float) and math.isfinite(self.scale) and self.scale > 0
        return is_scale and all(isinstance(text, str) for text in texts)


def known_of(record: Head) -> tuple[Known, ...]:
    """What a head takes, one or several.

    Raises:
        HeadError: its settings, which may come from elsewhere, say it in another way.
    """
    if JOINED not in record.settings:
        return (Known(record.backbone, record.cut, record.feature_key),)
    try:
        found = tuple(Known(**one) for one in record.settings[JOINED])
    except TypeError:
        found = ()
    if len(found) < 2 or not all(one.is_right for one in found):
        raise HeadError(
            f"the settings of head {record.name!r} do not tell which features it joins",
            hint="Train it again.",
        )
    return found


def settings_of(origin: Origin | JoinedOrigin) -> dict[str, Any]:
    """What a head's settings have of the features that it is trained on; nothing of one's."""
    if isinstance(origin, Origin):
        return {}
    each = zip(origin.blocks, origin.scales, strict=True)
    known = [Known(one.backbone.reference, one.cut.name, one.key, scale) for one, scale in each]
    return {JOINED: [asdict(one) for one in known]}


def member_features(blocks: Blocks) -> dict[str, Any]:
    """What a member of an ensemble takes, for people and for good: versions may be given other
    names, as where a head is imported; keys stay."""
    return {"features": blocks.reference, "feature_keys": [one.key for one in blocks]}


def blocks_of_members(record: Head, blocks: Blocks) -> list[Blocks]:
    """What each member of an ensemble takes, out of what the ensemble takes.

    Raises:
        HeadError: its settings, which may come from elsewhere, do not tell.
    """
    by_key = {one.key: one for one in blocks}
    try:
        keys = [one["feature_keys"] for one in record.settings[MEMBERS]]
        return [Blocks(by_key[key] for key in own) for own in keys]
    except (KeyError, TypeError):
        raise HeadError(
            f"the settings of head {record.name!r} do not tell which features its members take",
            hint="Make the ensemble again from a sweep.",
        ) from None


def place_of(blocks: Blocks) -> dict[str, Any]:
    """Of a head's record the fields that name its features: `backbone@cut` is what names them all,
    and the backbone is the first one's."""
    first = blocks[0].backbone
    cut = blocks.reference.removeprefix(f"{first.reference}@")
    return {"backbone": first.reference, "backbone_id": first.id, "cut": cut}


def blocks_of_head(context: Context, record: Head) -> Blocks:
    """See `TrainedHead.blocks`."""
    if record.backbone_id is None:
        raise HeadError(
            f"the backbone {record.backbone!r} of head {record.name!r} was removed",
            hint="Add it again, by any name: a head is on whatever has its trunk.",
        )
    return Blocks(_block_of(context, record, one) for one in known_of(record))


def _block_of(context: Context, record: Head, known: Known) -> Block:
    """That of the backbone of the name; among joined ones, where that was removed or is another
    one now, of whatever gives the same features."""
    if JOINED not in record.settings:
        backbone = context.backbones.get(known.backbone)
        cut = gives(backbone, known.cut, known.feature_key, context.calibrations)
        if cut is not None:
            return Block(backbone, cut)
        raise HeadError(
            f"backbone {backbone.label!r} is not the one that head {record.name!r} was trained on",
            hint="Train the head again.",
        )
    named = []
    with suppress(NotFound):
        named.append(context.backbones.get(known.backbone))
    found = find_block(context, known, [*named, *context.backbones.find_all()])
    if found is None:
        raise HeadError(
            f"no backbone here gives {known.backbone}@{known.cut}, features that head "
            f"{record.name!r} takes with others",
            hint="It was removed: add it again, by any name.",
        )
    return found


def find_block(context: Context, known: Known, among: Iterable[Backbone]) -> Block | None:
    """The first of some backbones that gives features, with its cut."""
    for backbone in among:
        with suppress(LayerNotFound):
            cut = gives(backbone, known.cut, known.feature_key, context.calibrations)
            if cut is not None:
                return Block(backbone, cut)
    return None


def moved_here(context: Context, record: Head) -> tuple[Head, Blocks]:
    """A head of another workspace as one on the backbones here, by whatever names, that give the
    features on which it was trained.

    Raises:
        HeadError: none gives some of them.
    """
    every, found = context.backbones.find_all(), list[Block]()
    for known in known_of(record):
        block = find_block(context, known, every)
        if block is None:
            raise HeadError(
                f"no backbone here gives the features that head {record.name!r} was trained on: "
                f"those of {known.backbone} at {known.cut}",
                hint="Bring it first: `headstart backbone export` there, `backbone import` here.",
            )
        found.append(block)
    blocks = Blocks(found)
    if MEMBERS in record.settings:
        record = replace(record, settings=record.settings | _members_here(record, blocks))
    if JOINED not in record.settings:
        first = found[0].backbone
        return replace(record, backbone=first.reference, backbone_id=first.id), blocks
    scales = [one.scale for one in known_of(record)]
    each = zip(blocks, scales, strict=True)
    known = [Known(one.backbone.reference, one.cut.name, one.key, scale) for one, scale in each]
    settings = record.settings | {JOINED: [asdict(one) for one in known]}
    return replace(record, **place_of(blocks), settings=settings), blocks


def _members_here(record: Head, blocks: Blocks) -> dict[str, Any]:
    """The members of an ensemble, their features by the names that they have here."""
    each = zip(record.settings[MEMBERS], blocks_of_members(record, blocks), strict=True)
    return {MEMBERS: [{**one, **member_features(own)} for one, own in each]}
