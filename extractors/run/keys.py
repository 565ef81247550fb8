"""Feature keys of a backbone's cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.engines.engine import PRECISIONS
from headstart.extractors.engines.int8.calibrations import Calibrations
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


def gives(backbone: Backbone, name: str, key: str, calibrations: Calibrations) -> Cut | None:
    """The cut of that name, in the precision in which it gives this key's features, if it does.

    Args:
        backbone: the backbone.
        name: of the cut.
        key: of the features.
        calibrations: of which features in int8 may be.

    Raises:
        LayerNotFound: the backbone has no such cut.
    """
    point = resolve(backbone.cuts, name)

    def precisions() -> Iterator[str]:
        yield from PRECISIONS
        for calibration in calibrations.find_all(backbone, point):
            yield calibration.precision

    cuts = (replace(point, precision=precision) for precision in precisions())
    return next((cut for cut in cuts if keys_of(backbone, [cut])[cut.name] == key), None)
