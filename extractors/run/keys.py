"""Feature keys of a backbone's cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.engines.engine import PRECISIONS
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


def gives(backbone: Backbone, name: str, key: str) -> Cut | None:
    """The cut of that name, in the precision in which it gives this key's features, if it does.

    Raises:
        LayerNotFound: the backbone has no such cut.
    """
    point = resolve(backbone.cuts, name)
    cuts = (replace(point, precision=precision) for precision in PRECISIONS)
    return next((cut for cut in cuts if keys_of(backbone, [cut])[cut.name] == key), None)
