"""A backbone with the face of scikit-learn: from raw samples to cached features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from headstart.config import load_config
from headstart.context import Context
from headstart.errors import FeatureError
from headstart.registry import schema
from headstart.values.showable import brief


class FeatureTransformer(TransformerMixin, BaseEstimator):
    """Gives the features of samples, for pipelines; had from `ws.transformer`.

    Nothing is fitted: a backbone is what it is. What is computed is committed to the workspace's
    cache by content, so that each sample is computed once, however often a search or a
    cross-validation asks for it, today or tomorrow. Pickled and cloned, it is its parameters.

    Args:
        workspace: its folder, or the workspace.
        backbone: `NAME[@CUT]`, or a source in the place of the name.
        precision: `float32`, `bfloat16` or, where a dataset was extracted in it, `int8`: in what
            the backbone computes.
        engine: see `hs.Settings`.
        batch_size: samples a call; found out if not given.

    Attributes:
        n_features_out_: numbers a sample.
        backbone_: the very version that was fitted: `NAME:VERSION@CUT`.
        computed_: how many samples the last call ran through the backbone; the others were cached.
    """

    def __init__(
        self,
        workspace: str | Path | Any,
        backbone: str,
        precision: str = "float32",
        engine: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.workspace = workspace
        self.backbone = backbone
        self.precision = precision
        self.engine = engine
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> FeatureTransformer:
        """Find the backbone and cut; the samples are left for `transform`.

        Raises:
            NotFound: there is no such backbone.
            FeatureError: several cuts are named, or the features have no fixed size.
        """
        del X, y
        from headstart.cached import check_one_cut
        from headstart.jobs.backbones.named import backbone_named

        context = self._context()
        named = backbone_named(context, self.backbone)
        backbone, cuts = context.resolve(named, self.precision)
        check_one_cut(backbone, cuts)
        shape = cuts[0].shape
        if None in shape:
            raise FeatureError(
                f"features at {cuts[0].name} have no fixed size ({brief(shape)})",
                hint=f"Pool them: {self.backbone}|gap.",
            )
        self.backbone_ = f"{backbone.reference}@{cuts[0].name}"
        self.n_features_out_ = math.prod(size for size in shape if size is not None)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Features (n, numbers a sample), float32; a feature that is no vector lies flat.

        Args:
            X: paths, arrays, pictures of PIL, texts or a frame; each member of a list, and each
                row of a frame, is one sample: a file, or for a backbone of texts a text. The name
                of a dataset, or the path of a folder or table, stands for its samples.

        Raises:
            HeadError: it is no sample, or several kinds.
            FeatureError: there are more samples, or fewer, than X has members.
            SampleError: a sample cannot be read.
        """
        from sklearn.utils.validation import check_is_fitted

        from headstart.extractors.run.settings import Settings
        from headstart.jobs.features.extract_raw import extract_raw
        from headstart.jobs.raw_samples import Taker

        check_is_fitted(self, "backbone_")
        context = self._context()
        backbone, (cut,) = context.resolve(self.backbone_, self.precision)
        items = list(Taker.of(context, backbone, is_each=True).take(X))
        _check_number(X, len(items))
        if not items:
            self.computed_ = 0
            return np.empty((0, self.n_features_out_), np.float32)
        settings = Settings(
            precision=self.precision, engine=self.engine, batch_size=self.batch_size
        )
        view = extract_raw(context, backbone, cut, items, settings)
        self.computed_ = view.report.computed
        return view.to_numpy().reshape(len(items), -1).astype(np.float32, copy=False)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`f0`, `f1`…, (numbers a sample,), objects; whatever went in."""
        from sklearn.utils.validation import check_is_fitted

        del input_features
        check_is_fitted(self, "n_features_out_")
        return np.array([f"f{number}" for number in range(self.n_features_out_)], object)

    def _context(self) -> Context:
        """Of the workspace; it is opened at the first use in a process."""
        given = getattr(self.workspace, "context", None)
        if isinstance(given, Context):
            return given
        known = self.__dict__.get("_opened")
        if known is None or known[0] != self.workspace:
            config = load_config(Path(self.workspace))
            schema.check(lambda: schema.current(config))
            known = self._opened = (self.workspace, Context(config))
        return known[1]

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_opened"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _check_number(given: Any, found: int) -> None:
    """See that there is a row for each that was given, as scikit-learn counts on.

    Raises:
        FeatureError: there is not.
    """
    if isinstance(given, Mapping):
        given = next(iter(given.values()), ())
    is_many = hasattr(given, "columns") or isinstance(given, list | tuple | np.ndarray)
    if is_many and len(given) != found:
        were = "was" if found == 1 else "were"
        raise FeatureError(
            f"received {len(given):,} samples, of which {found:,} {were} found",
            hint="A single array is given in a list; the last axis of pictures is of colours.",
        )
