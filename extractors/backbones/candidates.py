"""Which of many cut points are worth a look first: where a block ends."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.registry.entities import CutPoint


def block_ends(points: Sequence[CutPoint]) -> set[str]:
    """Names of the bottlenecks at which a block of layers ends.

    A block ends where paths part behind a bottleneck (a residual block), and where what follows is
    wider or of another rank (a stage: convolutions and their pooling). What is narrowed right
    behind, such as the expansion inside of an inverted residual block, is no end. Inputs and class
    probabilities are none either.

    Args:
        points: all cut points of a backbone, from the input upwards.
    """
    return {
        point.name
        for point, above in zip(points, [*points[1:], None], strict=True)
        if point.is_bottleneck and point.input and not point.warning and _ends(point, above)
    }


def _ends(point: CutPoint, above: CutPoint | None) -> bool:
    if above is None or not above.is_bottleneck or len(above.shape) != len(point.shape):
        return True
    here, there = point.shape[-1:], above.shape[-1:]
    return None not in here + there and here < there
