"""How the features of a view are made of tokens, by their shape and their cut."""

from __future__ import annotations

from headstart.extractors.backbones.masks import MASKED
from headstart.heads.attention.tokens import NoTokens, Tokens, tokens_of_shape
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import MAX, MEAN


def tokens_of(view: FeatureView) -> Tokens | NoTokens:
    """Of a map or a sequence, or of a sequence with its mask, `|masked`, which lies flat."""
    shape, cut = view.shape[1:], getattr(view.origin, "cut", None)
    if len(shape) != 1 or cut is None or cut.pooling != MASKED:
        return tokens_of_shape(shape)
    if view.windows in (MEAN, MAX):
        return NoTokens(
            f"the {view.windows} of the words of several windows, whose masks differ",
            "Train on each window: --windows each.",
        )
    width = cut.point.shape[1]
    return Tokens(shape[0] // (width + 1), width, is_masked=True)  # steps may be open in the model
