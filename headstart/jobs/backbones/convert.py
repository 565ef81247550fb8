"""A backbone's trunk is converted while its model is loaded: no extraction has to load it again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from headstart.backbone_model import chooser_of, load_graph
from headstart.context import Context
from headstart.errors import Stalled, first_line
from headstart.extractors.backbones.cuts import resolve
from headstart.extractors.engines.seeded import KEPT_SAMPLES
from headstart.extractors.watchdog import Guard, Watchdog
from headstart.registry.entities import Backbone
from headstart.storage.memory import free_memory

COPIES = 8
"""How many times its parameters' bytes a trunk takes while it is frozen, converted and compiled,
and how many of its largest tensors there are at once."""
FLOAT = 4
PATIENCE = 120.0
"""Seconds for a step, such as compiling it: whoever adds a backbone is not kept for longer."""
LATER = "The first extraction looks again."


def convert_ahead(
    context: Context, backbone: Backbone, say: Callable[[str], None], graph: Any = None
) -> None:
    """Convert the default trunk of a registered backbone for the engines here, if it is not yet.

    What cannot be converted is said, and is no error: the backbone is registered, and whoever
    extracts is told again.

    Args:
        context: where it is registered.
        backbone: the backbone.
        say: told what is done, how long it took, or why it was not.
        graph: of the backbone, if it is loaded already.
    """
    guard = Watchdog(PATIENCE).guard([])
    try:
        guard("loading it", lambda: _convert(context, backbone, say, graph, guard))
    except Stalled as error:  # the thread that hangs is left, and ends with the process
        doing = error.message.partition(": not done")[0]
        say(
            f"{backbone.label} is not converted: {doing} was given up after {PATIENCE:,.0f} s. "
            f"{LATER}"
        )
    except Exception as error:  # a library of others may fail in any way, and nothing depends on it
        say(f"{backbone.label} is not converted ({first_line(error)}). {LATER}")


def _convert(
    context: Context, backbone: Backbone, say: Callable[[str], None], graph: Any, guard: Guard
) -> None:
    graph = load_graph(context, backbone) if graph is None else graph
    if wanted := bytes_missing(backbone, graph, KEPT_SAMPLES):
        say(f"{backbone.label} is not converted now, that may take {wanted:,} bytes. {LATER}")
        return
    cuts = [resolve(backbone.cuts, None)]
    chooser_of(context, backbone, graph).convert_ahead(cuts, say, guard)


def bytes_missing(backbone: Backbone, graph: Any, samples: int) -> int:
    """What running its trunk on some samples may take, if there is no memory for it; else 0."""
    wanted = COPIES * FLOAT * (backbone.parameters + samples * _largest(graph))
    return wanted if wanted > free_memory() else 0


def _largest(graph: Any) -> int:
    """Numbers in the largest tensor of a sample, as far as sizes are known."""
    shapes = [tensor.shape[1:] for node in graph.nodes for tensor in node.outputs]
    return max((math.prod(size or 1 for size in shape) for shape in shapes), default=0)
