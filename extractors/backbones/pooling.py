"""The seam of poolings: behind a cut, from a map or a sequence to one vector a sample.

To add one: an object like those in `poolings/own.py`, and a line in `POOLINGS`, or an entry point
in the group `headstart.poolings` that names a class or an object with the same members.

**Who calls what.** `NAME|POOLING` asks for it by its name. `width` is asked whenever a cut is
looked at, without Keras; `run` once, when a trunk is built, with symbolic tensors. Both are called
without an instance: they are functions of a class (`staticmethod`) or of an object.

**What must hold.** `run` gives (batch, width) by operations of Keras alone: they become part of the
trunk, which other engines convert, and of models that heads are attached to. What it computes for
an input never changes while its `version` is the same: name and version, and of a plug-in the
package's name, are part of feature keys, so features of another version are never served.

**Errors.** Whatever `run` raises is told as a `BackboneError` that names the pooling.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from headstart.errors import BackboneError, LayerNotFound, first_line
from headstart.extractors.backbones.poolings.fewer_tokens import find_fewer, shape_of
from headstart.plugins import Plugins
from headstart.storage.keys import fingerprint

Shape = tuple[int | None, ...]


class Pooling(Protocol):
    """A kind of pooling.

    Attributes:
        name: behind `|` in a cut; never changed.
        version: raised whenever what it computes changes.
        words: what it gives.
        is_of_sequences: whether it is only for (steps, features).
        is_masked: whether it looks at the mask of a sequence.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    words: ClassVar[str]
    is_of_sequences: ClassVar[bool]
    is_masked: ClassVar[bool]

    @staticmethod
    def width(shape: Shape) -> int | None:
        """How many numbers it gives of one sample of this shape; None where that is open."""
        ...

    @staticmethod
    def run(tensor: Any, mask: Any) -> Any:
        """A symbolic tensor (batch, ..., features) as (batch, width).

        Args:
            tensor: what the cut gives.
            mask: (batch, steps), of a sequence whose steps do not all count; or None.
        """
        ...


HERE = "headstart.extractors.backbones.poolings.own"
POOLINGS: Plugins[Pooling] = Plugins(
    "headstart.poolings",
    "pooling",
    Pooling,
    name="name",
    error=LayerNotFound,
    ours={
        "gap": f"{HERE}:GAP",
        "gmp": f"{HERE}:GMP",
        "flatten": f"{HERE}:FLATTEN",
        "mean": f"{HERE}:MEAN",
        "max": f"{HERE}:MAX",
        "cls": f"{HERE}:CLS",
        "last": f"{HERE}:LAST",
        "masked": f"{HERE}:MASKED",
    },
)


def pooling_of(name: str) -> Pooling:
    """The pooling of a name: one of `POOLINGS`, or of the family that leaves fewer tokens."""
    fewer: Any = find_fewer(name)
    return fewer or POOLINGS[name]


def pooled_shape(name: str, shape: Shape) -> Shape:
    """Of what a pooling gives of features of a shape.

    Raises:
        LayerNotFound: it does not suit them.
    """
    if find_fewer(name) is not None:
        return shape_of(name, shape)
    return (POOLINGS[name].width(shape),)


def check_pooling(pooling: str, shape: Shape, cut: str) -> None:
    """Refuse a pooling that is not known, or not for features of this shape.

    Args:
        pooling: its name.
        shape: of one sample's feature.
        cut: what was asked for, for the message.

    Raises:
        LayerNotFound: it does not fit.
    """
    if find_fewer(pooling) is not None:
        shape_of(pooling, shape)
        return
    if pooling not in POOLINGS:
        raise LayerNotFound(
            f"no pooling {pooling!r} in cut {cut!r}",
            hint=f"Choose one of {', '.join(f'|{known}' for known in POOLINGS)}, |tokensN. If a "
            "package brought it, install that again; `headstart doctor` says what is wrong with "
            "one.",
        )
    if POOLINGS[pooling].is_of_sequences and len(shape) != 2:
        raise LayerNotFound(
            f"|{pooling} is for sequences (steps, features); {cut!r} has features of shape {shape}",
            hint="Use |gap, |gmp or |flatten.",
        )


def is_masked(pooling: str | None) -> bool:
    """Whether a pooling looks at the mask of a sequence; without one, nothing does."""
    return pooling is not None and pooling_of(pooling).is_masked


def pooled_fingerprint(below: str, pooling: str, mask: str | None) -> str:
    """The trunk fingerprint of a cut with a pooling behind it.

    Args:
        below: that of the cut without it.
        pooling: its name.
        mask: the backbone's input that it leaves steps out by, or None.
    """
    package = None if find_fewer(pooling) else POOLINGS.distribution(pooling)
    if package is None:  # ours never change what they compute, and have no version in the key
        what = [below, pooling]
        return fingerprint("headstart.pooling/1", [*what, mask] if mask else what)
    what = [below, package, pooling, POOLINGS[pooling].version, mask]
    return fingerprint("headstart.pooling/2", what)


def pool(tensor: Any, pooling: str | None, mask: Any = None) -> Any:
    """Pool a symbolic tensor (batch, ..., features) to (batch, width), or to fewer tokens.

    A sequence's mask is the one that is given, or the one that Keras carries along from an
    Embedding with `mask_zero` or a Masking layer.

    Raises:
        BackboneError: a pooling of another package fails, or gives another shape than it says.
    """
    if pooling is None:
        return tensor
    known = pooling_of(pooling)
    if known.is_masked and mask is None:
        mask = getattr(tensor, "_keras_mask", None)
    if find_fewer(pooling) or POOLINGS.distribution(pooling) is None:
        return known.run(tensor, mask)
    return _run_checked(pooling, known, tensor, mask)


def _run_checked(name: str, known: Pooling, tensor: Any, mask: Any) -> Any:
    what = f"the pooling {name!r} of {POOLINGS.package(name)}"
    hint = "Fix or remove that package, or take another pooling."
    try:
        made = known.run(tensor, mask)
        shape = tuple(made.shape)
    except Exception as error:  # other people's code may fail in any way
        raise BackboneError(f"{what} failed: {first_line(error)}", hint=hint) from error
    if len(shape) != 2 or shape[1] != known.width(tuple(tensor.shape[1:])):
        said = known.width(tuple(tensor.shape[1:]))
        raise BackboneError(f"{what} gives {shape}, and says (None, {said})", hint=hint)
    return made
