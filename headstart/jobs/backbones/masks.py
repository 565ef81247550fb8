"""Sequences whose mask is not kept with them."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.backbone_model import load_graph
from headstart.context import Context
from headstart.errors import HeadError
from headstart.extractors.backbones.masks import MASKED, find_mask
from headstart.extractors.backbones.poolings.fewer_tokens import find_fewer
from headstart.heads.kind import HeadKind, takes_tokens
from headstart.origins.blocks import Block, Blocks

MASKING = ("Embedding", "Masking")
"""Layers from which Keras carries a mask along, if they are told to."""


def refuse_lost_masks(
    context: Context, kinds: Iterable[HeadKind], features: Iterable[Blocks]
) -> None:
    """See that heads that look at tokens know which of them are masked.

    The model is loaded only if a layer of it may mask and the cut is a sequence.

    Raises:
        HeadError: a cut is a sequence with a mask, and is cached without it.
    """
    kind = next(filter(takes_tokens, kinds), None)
    if kind is None:
        return
    for (block,) in (blocks for blocks in features if len(blocks) == 1):
        if _loses_a_mask(context, block):
            raise HeadError(
                f"{block.name} is a sequence with a mask, which is not stored with it: a head of "
                f"kind {kind.kind} would look at what is masked",
                hint=f"Name '{block.backbone.label}@{block.cut.point.name}|{MASKED}', which has "
                "both.",
            )


def _loses_a_mask(context: Context, block: Block) -> bool:
    cut = block.cut
    keeps = cut.pooling is not None and find_fewer(cut.pooling) is None
    if keeps or len(cut.point.shape) != 2:
        return False
    if cut.point.mask is not None:
        return True
    if not any(part in one.operation for part in MASKING for one in block.backbone.cuts):
        return False
    return find_mask(load_graph(context, block.backbone), cut.point) is not None
