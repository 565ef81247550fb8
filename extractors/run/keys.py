"""Feature keys of a backbone's cuts."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.preprocessing.augmentation import view_of
from headstart.registry.entities import Backbone
from headstart.storage.keys import feature_key


def keys_of(backbone: Backbone, cuts: Sequence[Cut]) -> dict[str, str]:
    """The feature key of each cut, by the cut's name."""
    view = view_of(backbone.preprocessing)
    return {
        cut.name: feature_key(
            cut.fingerprint, backbone.preprocessing_fingerprint, cut.precision, view
        )
        for cut in cuts
    }
