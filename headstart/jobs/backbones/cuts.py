"""`ws.backbones.cuts`: the cut points of a backbone, and which are worth a look first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headstart.context import Context
from headstart.extractors.backbones.candidates import block_ends
from headstart.registry.entities import Backbone, CutPoint, Json
from headstart.values.showable import Results


@dataclass(frozen=True)
class ListedCut(CutPoint):
    """A cut point in a list.

    Attributes:
        is_block_end: whether a block of layers ends there; see `block_ends`.
        cached: what of it is in the cache, such as `relu` and `relu|gap`.
    """

    is_block_end: bool = False
    cached: tuple[str, ...] = ()

    @property
    def is_candidate(self) -> bool:
        """Whether it is worth a look first: a block's end, a default, or cached already."""
        return self.is_block_end or self.is_default or bool(self.default_of or self.cached)

    def _facts(self) -> Json:
        return {**super()._facts(), "block_end": self.is_block_end, "cached": self.cached}


def find_cuts(
    context: Context, reference: str | Backbone, pattern: str | None = None
) -> Results[ListedCut]:
    """See `Backbones.cuts`."""
    backbone = context.backbones.get(reference)
    ends, cached = block_ends(backbone.cuts), _cached(context, backbone)
    return Results(
        ListedCut(
            **vars(cut),
            is_block_end=cut.name in ends,
            cached=tuple(f"{cut.name}{pooling}" for pooling in cached.get(cut.fingerprint, ())),
        )
        for cut in _called(backbone.cuts, pattern)
    )


def _called(cuts: Sequence[CutPoint], pattern: str | None) -> Sequence[CutPoint]:
    """Those whose name holds the pattern, or matches it as a glob; all without one."""
    if pattern is None:
        return cuts
    wanted = pattern.lower()
    glob = wanted if any(mark in wanted for mark in "*?[") else f"*{wanted}*"
    return [cut for cut in cuts if fnmatchcase(cut.name.lower(), glob)]


def _cached(context: Context, backbone: Backbone) -> dict[str, dict[str, None]]:
    """By the fingerprint of a cut point, the poolings there (`|gap` or nothing) that have rows.

    The rows may be those of another backbone with the same trunk, whose layers have other names.
    """
    found: dict[str, dict[str, None]] = {}
    for one in context.feature_sets.find_sets():
        same = one.preprocessing_fingerprint == backbone.preprocessing_fingerprint
        if same and context.feature_sets.find_shards(one.id):
            _, bar, pooling = one.cut.partition("|")
            found.setdefault(one.cut_fingerprint, {})[bar + pooling] = None
    return found
