"""Whether what a head's last layer gives is what its task says: asked of a fit, so that a head
which is made can come back from its file, and of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.errors import HeadError
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.tasks import Classification, Ordinal, Task

ROUNDED = 1e-4
"""By what sums of weights may miss 0 and 1, as a share of the largest."""


def check_outputs(what: str, stack: DenseStack | Ensemble, task: Task, hint: str) -> None:
    """See that each stack ends in an activation by which its outputs are what the task says.

    Args:
        what: the head is called.
        stack: its layers, or those of several.
        task: of it.
        hint: what to do where it does not.

    Raises:
        HeadError: one does not.
    """
    for one in [one.stack for one in stack.members] if isinstance(stack, Ensemble) else [stack]:
        if not _is_right(one.layers, task):
            raise HeadError(
                f"the last layer of {what} has the activation {one.layers[-1].activation}, whose "
                f"outputs are not what {task.name} says",
                hint=hint,
            )


def _is_right(layers: Sequence[Layer], task: Task) -> bool:
    last = layers[-1].activation
    if isinstance(task, Ordinal) and last == "linear":
        return are_differences(layers)
    if isinstance(task, Classification) and last == "sigmoid":
        return are_opposite(layers[-1])
    return last in task.ends_in


def are_opposite(last: Layer) -> bool:
    """Whether the sigmoids of a layer are probabilities of two classes, p and 1 - p."""
    for weights in (last.kernel, last.bias):
        sums, level = weights.sum(axis=-1), ROUNDED * float(np.abs(weights).max())
        if weights.shape[-1] != 2 or (np.abs(sums) > level).any():
            return False
    return True


def are_differences(layers: Sequence[Layer]) -> bool:
    """Whether outputs are probabilities as those of an ordinal head: differences of those to be at
    most of a class, which ascend, as all have one direction and thresholds in their order."""
    if len(layers) != 2 or layers[0].activation != "sigmoid":
        return False
    below, last = layers
    count = len(below.bias)
    shifted = np.eye(count, count + 1) - np.eye(count, count + 1, 1)
    is_last = np.append(np.zeros(count), 1)
    direction, level = below.kernel[:, :1], ROUNDED * float(np.abs(below.bias).max())
    return (
        np.array_equal(last.kernel, shifted)
        and np.array_equal(last.bias, is_last)
        and bool((np.diff(below.bias) >= -level).all())
        and np.allclose(below.kernel, direction, ROUNDED, ROUNDED * float(np.abs(direction).max()))
    )
