"""Whether the layers of a head are such as its kind makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.errors import HeadError
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.kinds.attentive import Attentive
from headstart.heads.kinds.every_kind import KINDS, kind_of
from headstart.heads.kinds.mlp import MLP
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
from headstart.heads.kinds.of_names.zero_shot import ZeroShot
from headstart.heads.layers.activations import AFFINITIES, TOP, UNIT
from headstart.heads.tasks import Ordinal, Task

INNER: dict[str, tuple[tuple[str, ...], ...]] = {
    Neighbours.kind: ((TOP,),),
    ZeroShot.kind: ((UNIT,),),
    TipAdapter.kind: ((UNIT,), (UNIT, AFFINITIES)),
}
"""How the activations of the layers before the last begin, in one way or another; of other kinds
there are no such layers."""


def check_kind(
    what: str,
    kind: str,
    settings: Mapping[str, Any],
    stack: DenseStack | Ensemble,
    task: Task,
    hint: str,
) -> None:
    """See that layers are such as a kind of ours makes with these settings; of other people's
    kinds, of ensembles and of what was fine-tuned nothing is known.

    Args:
        what: the head is called.
        kind: its name.
        settings: all that is stored of the head.
        stack: its layers, or those of several.
        task: of it.
        hint: what to do where they are not.

    Raises:
        HeadError: they are not.
    """
    if kind == Bagged.kind and isinstance(stack, Ensemble):
        kind, settings = settings["of"], settings["each"]
    if isinstance(stack, Ensemble) and len(settings.get("members", stack.members)) != len(
        stack.members
    ):
        raise HeadError(
            f"{what} is said to be of {len(settings['members'])} heads; its weights are those of "
            f"{len(stack.members)}",
            hint=hint,
        )
    if kind not in KINDS.ours:
        return
    stacks = [one.stack for one in stack.members] if isinstance(stack, Ensemble) else [stack]
    made = kind_of(kind, settings)
    for one in stacks:
        if not _fits(made, one.layers, task):
            raise HeadError(
                f"{what} is said to be of kind {kind}, which has {_wanted(made, task)}; its "
                f"weights are {_told(one.layers)}",
                hint=hint,
            )


def _fits(kind: Any, layers: Sequence[Layer], task: Task) -> bool:
    first, before = layers[0], layers[:-1]
    queries = None if first.attention is None else first.attention.queries.shape[1]
    if queries != (kind.queries if kind.kind == Attentive.kind else None):
        return False
    if kind.kind == MLP.kind:
        widths = tuple(len(one.bias) for one in before)
        return widths == kind.hidden and all(one.activation == "relu" for one in before)
    ways = (("sigmoid",),) if isinstance(task, Ordinal) else INNER.get(kind.kind, ((),))
    return any(
        len(before) == len(way)
        and all(one.activation.startswith(name) for one, name in zip(before, way, strict=True))
        for way in ways
    )


def _wanted(kind: Any, task: Task) -> str:
    if kind.kind == MLP.kind:
        return f"hidden layers of {', '.join(map(str, kind.hidden)) or 'no'} units, with relu"
    if kind.kind == Attentive.kind:
        return f"{kind.queries} queries and one layer"
    if isinstance(task, Ordinal):
        return "a layer of thresholds before the last"
    return "layers of its own before the last" if kind.kind in INNER else "one layer"


def _told(layers: Sequence[Layer]) -> str:
    """Layers in words, such as `2 layers, of 64 (relu) and 3 (softmax) units`."""
    each = " and ".join(f"{len(one.bias)} ({one.activation})" for one in layers[-3:])
    queries = ", behind queries" if layers[0].attention is not None else ""
    return f"{len(layers)} layer{'s' if len(layers) > 1 else ''}, of {each} units{queries}"
