"""What labels mean, as options of the verbs that train or try heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

TASKS = ("classification", "multi-label", "ordinal", "regression")
OBJECTIVES = (
    "accuracy",
    "log_loss",
    "exact",
    "r2",
    "mean_absolute_error",
    "poisson_deviance",
    "pinball_loss",
)
LOSSES = ("squared", "poisson", "quantile")
"""These three are known to `headstart.heads`, which takes half a second to import and is not asked
for the sake of a help text; a test compares them."""
NAMES = ("task", "separator", "order", "loss", "quantile")


def task_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--task`, and what tasks need to know beside it."""
    options = (
        click.option(
            "--task",
            type=click.Choice(TASKS),
            help="What a label is: one class (the default), several, a class in an order, or a "
            "number.",
        ),
        click.option("--separator", help="multi-label: what separates labels. Default: |."),
        click.option(
            "--order", help="ordinal: the classes from lowest to highest, separated by commas."
        ),
        click.option(
            "--loss",
            type=click.Choice(LOSSES),
            help="regression: predict the mean (squared, the default), the mean of counts "
            "(poisson), or a quantile.",
        ),
        click.option(
            "--quantile",
            type=float,
            help="regression: the quantile of --loss quantile. Default: 0.5.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def taken_task(given: dict[str, Any]) -> Any:
    """The task that options name, which are taken out of those that are given.

    Raises:
        click.UsageError: one of them is not for this task.
    """
    own = {name: given.pop(name) for name in NAMES}
    return task_of(own.pop("task") or "classification", **own)


def task_of(name: str, *, order: str | None, **given: Any) -> Any:
    """A task with the options that were given, those that are not None.

    Raises:
        click.UsageError: one of them is not for this task, or a quantile not for this loss.
    """
    from headstart.heads.generalised import QUANTILE, SQUARED
    from headstart.heads.tasks import TASKS as MADE

    known = MADE[name]().describe()
    given["order"] = order and tuple(part.strip() for part in order.split(",") if part.strip())
    for option, value in given.items():
        if value is not None and option not in known:
            named = (
                option.removesuffix("s").replace("_", "-") if option == "class_weights" else option
            )
            able = [f"--task {task}" for task, made in MADE.items() if option in made().describe()]
            raise click.UsageError(f"--{named} is not for {name}: it needs {' or '.join(able)}.")
    if given.get("quantile") is not None and (loss := given.get("loss") or SQUARED) != QUANTILE:
        raise click.UsageError(f"--quantile is for --loss {QUANTILE}, and the loss is {loss}.")
    return MADE[name](**{key: value for key, value in given.items() if value is not None})
