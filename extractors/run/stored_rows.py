"""How the rows of each cut of a run are stored: their feature sets, and which rows fit in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from headstart.errors import FeatureError, HeadstartError, NonFiniteFeatures
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.cache.feature_cache import encoding_of
from headstart.extractors.preprocessing.augmentation import view_of
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.space import row_bytes
from headstart.registry.entities import Backbone, FeatureSet
from headstart.registry.features import FeatureRepository
from headstart.storage.encoding import Encoding
from headstart.storage.manifest import Sample


class StoredRows:
    """The feature sets of a run, by cut; those that are not there are made at their first rows.

    Args:
        backbone: of the run.
        cuts: by name.
        keys: feature key of each cut.
        settings: how to store what has no feature set yet.
        repository: where feature sets are registered.

    Raises:
        FeatureError: rows of a cut are stored otherwise than was asked for.
    """

    def __init__(
        self,
        backbone: Backbone,
        cuts: dict[str, Cut],
        keys: dict[str, str],
        settings: Settings,
        repository: FeatureRepository,
    ) -> None:
        self._backbone = backbone
        self._cuts = cuts
        self._keys = keys
        self._settings = settings
        self._repository = repository
        self._encodings: dict[str, Encoding] = {}
        for cut, key in keys.items():
            feature_set = repository.find_set(key)
            if feature_set is not None:
                self._encodings[cut] = encoding_of(feature_set)
                self._refuse_another(cut, self._encodings[cut])

    def bytes_of(self, rows: Mapping[str, int]) -> float:
        """How many bytes so many rows of each cut take, as far as shapes are known."""
        needed = 0.0
        for cut, chosen in self._cuts.items():
            known = self._encodings.get(cut)
            size = row_bytes(chosen, known.storage if known else self._settings.storage)
            needed += 0 if math.isnan(size) else rows[cut] * size
        return needed

    def which_fit(self, cuts: Iterable[str], outputs: Sequence[np.ndarray]) -> np.ndarray:
        """Which rows are finite and in the range of the numbers stored at all cuts: bool, (n,)."""
        good = np.ones(len(outputs[0]) if outputs else 0, bool)
        for cut, output in zip(cuts, outputs, strict=False):
            good &= self._fits(cut, output)
        return good

    def _fits(self, cut: str, output: np.ndarray) -> np.ndarray:
        if cut not in self._encodings:
            settings = self._settings
            self._encodings[cut] = Encoding.choose(
                output.dtype.name, settings.storage, settings.compression
            )
        finite = np.isfinite(output).reshape(len(output), -1).all(axis=1)
        return finite & self._encodings[cut].fits(output)

    def refusal(
        self, sample: Sample, cuts: Sequence[str], outputs: Sequence[np.ndarray], row: int
    ) -> HeadstartError:
        """Why a row does not fit."""
        cut, output = next(
            (cut, output[row])
            for cut, output in zip(cuts, outputs, strict=True)
            if not self._fits(cut, output)[row]
        )
        if np.isfinite(output).all():
            return FeatureError(
                f"the feature of sample {sample.id!r} ({sample.place}) at {cut!r} holds "
                f"{np.abs(output).max():.6g}, more than float16 can",
                hint="Store as bfloat16 or float32; the good rows were kept.",
            )
        return NonFiniteFeatures(
            f"backbone {self._backbone.label!r} gives NaN or infinity at {cut!r} for sample "
            f"{sample.id!r} ({sample.place})",
            hint="Look at the sample's values and at the preprocessing "
            "(`headstart backbone show`); the good rows were kept.",
        )

    def feature_set(self, cut: str, features: np.ndarray) -> FeatureSet:
        """The registered feature set of a cut, made at its first rows (n, *feature shape).

        Raises:
            FeatureError: another process has made it, and stores its rows otherwise.
        """
        chosen, encoding = self._cuts[cut], self._encodings[cut]
        found = self._repository.ensure_set(
            FeatureSet(
                key=self._keys[cut],
                backbone=self._backbone.label,
                cut=cut,
                cut_fingerprint=chosen.point.fingerprint,
                trunk_fingerprint=chosen.fingerprint,
                preprocessing=self._backbone.preprocessing,
                preprocessing_fingerprint=self._backbone.preprocessing_fingerprint,
                precision=chosen.precision,
                view=view_of(self._backbone.preprocessing),
                shape=features.shape[1:],
                dtype=encoding.dtype,
                storage=encoding.storage,
                compression=encoding.compression,
            )
        )
        if encoding_of(found) != encoding:  # another process made it first
            self._refuse_another(cut, encoding_of(found))
            self._encodings[cut] = encoding_of(found)
        return found

    def _refuse_another(self, cut: str, encoding: Encoding) -> None:
        for name in ("storage", "compression"):
            asked, has = getattr(self._settings, name), getattr(encoding, name)
            if asked not in (None, has):
                raise FeatureError(
                    f"features from {cut!r} are stored with {name} {has}, not {asked}",
                    hint=f"Leave --{name} out, or remove them first: `headstart features gc "
                    f"--set {self._keys[cut][:12]} --apply`.",
                )
