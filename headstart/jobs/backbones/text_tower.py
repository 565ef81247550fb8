"""The backbone that gives texts features in the space of another backbone's, as CLIP's towers do.

Two backbones whose cuts share a space are linked by a tag of the one, `text-backbone`, that names
the other; or the other is named where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.backbone_model import open_engine, pipeline_of
from headstart.context import Context
from headstart.errors import (
    BackboneError,
    FeatureError,
    HeadstartError,
    InvalidValue,
    NotFound,
    first_line,
)
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.preprocessing.batches import shapes, stack
from headstart.heads.dense_stack import flat
from headstart.heads.projection import of_length_one
from headstart.heads.rows import check_rows
from headstart.jobs.raw_samples import Taker
from headstart.registry.entities import TEXT_BACKBONE, Backbone

AT_ONCE = 64
"""Texts that are run together."""


@dataclass(frozen=True)
class TextTower:
    """A backbone of texts at a cut whose features lie in another backbone's space.

    Attributes:
        context: where it is registered.
        backbone: that takes texts.
        cut: of it.
        beside: the features that it is compared with, in words.
    """

    context: Context
    backbone: Backbone
    cut: Cut
    beside: str

    @property
    def reference(self) -> str:
        """`NAME:VERSION@CUT`."""
        return f"{self.backbone.reference}@{self.cut.name}"

    def rows(self, texts: Sequence[str], width: int) -> np.ndarray:
        """The features of some texts, (n, width), computed now by the engine that is the reference:
        they are few, and another one's rounding would be told as similarity.

        Raises:
            BackboneError: they have another width than those that they are compared with.
        """
        parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
        found = np.concatenate([self._run(part) for part in parts])
        if found.shape[1] != width:
            raise BackboneError(
                f"{self.reference} gives a text {found.shape[1]:,} numbers, {self.beside} has "
                f"{width:,}: they share no space",
                hint="Name the cuts that do: --backbone NAME@CUT, --text-backbone NAME@CUT.",
            )
        check_rows(found, list(texts))
        return found

    def _run(self, texts: Sequence[str]) -> np.ndarray:
        pipeline = pipeline_of(self.context, self.backbone)
        batch = stack([pipeline.prepare(text.encode()) for text in texts])
        engine = self._engine  # outside of the try: a damaged file is no preprocessing that misfits
        try:
            found = engine.run(batch)[0]
        except HeadstartError:
            raise
        except ValueError as error:
            raise BackboneError(
                f"{self.reference} cannot run on {len(texts):,} texts, a batch of shape "
                f"{shapes(batch)} ({first_line(error)})",
                hint="Its preprocessing does not fit it: add the backbone with one that does.",
            ) from error
        return flat(np.asarray(found)).astype(np.float32, copy=False)

    @cached_property
    def _engine(self) -> Any:
        return open_engine(self.context, self.backbone, [self.cut])

    def directions(self, texts: Sequence[Sequence[str]], width: int) -> np.ndarray:
        """A direction of length one for each of several groups of texts, (groups, width): the mean
        of its texts' own, as CLIP takes several prompts of a class together (Radford et al. 2021,
        section 3.1.4).

        Raises:
            BackboneError: see `rows`.
        """
        each = [text for group in texts for text in group]
        units = of_length_one(self.rows(each, width))
        ends = np.cumsum([len(group) for group in texts])[:-1]
        return of_length_one(np.stack([part.mean(axis=0) for part in np.split(units, ends)]))


def find_text_tower(
    context: Context, backbone: Backbone, given: str | Backbone | None = None
) -> TextTower | None:
    """The text tower of a backbone; None where none is named and none is linked.

    Args:
        context: where both are registered.
        backbone: whose space.
        given: `NAME[:VERSION][@CUT]`; what the backbone's tag names without it.

    Raises:
        BackboneError: it takes no texts, or several cuts of it are named.
        NotFound: there is no such backbone.
    """
    named = given or backbone.tags.get(TEXT_BACKBONE)
    if not named:
        return None
    hint = (
        f"Set it again, headstart backbone tag {backbone.name} {TEXT_BACKBONE}=NAME[@CUT], or name "
        "another: --text-backbone NAME[@CUT]."
    )
    with nullcontext() if given else _of_tag(f" of {backbone.label}", named, hint):
        tower, cut = _resolved(context, named)
    return TextTower(context, tower, cut, backbone.label)


def of_one_backbone(reference: str) -> FeatureError:
    """The error of texts that are to be compared with joined features."""
    return FeatureError(
        f"texts are compared with features of one backbone, and {reference} are joined",
        hint="Name one backbone with a text backbone.",
    )


def check_link(context: Context, tags: Mapping[str, str | None]) -> None:
    """See that the tag of a text backbone, where it is among those that are to be set, names one.

    Raises:
        InvalidValue: it is empty.
        BackboneError, NotFound, FeatureError: see `find_text_tower`.
    """
    named = tags.get(TEXT_BACKBONE)
    if named == "":
        raise InvalidValue(
            f"the tag {TEXT_BACKBONE} is empty",
            hint=f"Name a backbone of texts, or take the tag away: --remove {TEXT_BACKBONE}.",
        )
    if named is not None:
        with _of_tag("", named, None):
            _resolved(context, named)


def _resolved(context: Context, named: str | Backbone) -> tuple[Backbone, Cut]:
    """The backbone that takes texts, and the cut of it, that a name means."""
    tower, cuts = context.resolve(named)
    if len(cuts) > 1:
        raise BackboneError(f"{named} names {len(cuts)} cuts", hint="Name one cut.")
    if not Taker.of(context, tower).takes_texts:
        raise BackboneError(
            f"{tower.label} is to give texts features, and takes none",
            hint="Name a backbone of texts: --text-backbone NAME[@CUT].",
        )
    return tower, cuts[0]


@contextmanager
def _of_tag(of: str, value: Any, hint: str | None) -> Iterator[None]:
    """Errors of the block say that it is the tag, ` of` a backbone, that means nothing; with what
    to do about it, if not what they say themselves."""
    try:
        yield
    except (NotFound, BackboneError, FeatureError) as error:
        message = f"the tag {TEXT_BACKBONE}{of} is {value!r}: {error.message}"
        raise type(error)(message, hint=hint or error.hint) from error


def get_text_tower(
    context: Context, backbone: Backbone, given: str | Backbone | None = None
) -> TextTower:
    """As `find_text_tower`.

    Raises:
        BackboneError: none is named, and none is linked.
    """
    found = find_text_tower(context, backbone, given)
    if found is None:
        raise BackboneError(
            f"no backbone gives texts features in the space of {backbone.label}",
            hint=f"Name one, --text-backbone NAME[@CUT], or link it: headstart backbone tag "
            f"{backbone.name} {TEXT_BACKBONE}=NAME.",
        )
    return found
