"""`--executor`: what does the work of a command, and how much of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from headstart.context import Context
    from headstart.jobs.on_ray.executor import RayExecutor

LOCAL = "local"


class ExecutorName(click.ParamType):
    """`local`, `ray` or `ray://ADDRESS`."""

    name = "executor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from headstart.clusters.ray_cluster import address_in
        from headstart.errors import ClusterError

        try:
            if value != LOCAL:
                address_in(value)
        except ClusterError as error:
            self.fail(f"{error}", param, ctx)
        return value


executor_option = click.option(
    "--executor",
    type=ExecutorName(),
    default=LOCAL,
    show_default=True,
    metavar="local|ray[://ADDRESS]",
    help="Who computes: this process, or actors of Ray (extra ray).",
)
options_of_workers = (
    executor_option,
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="With ray: so many actors; one a node without it.",
    ),
    click.option(
        "--cores",
        type=click.IntRange(min=1),
        help="With ray: that each of them reserves and computes with; as many as all can have "
        "without it.",
    ),
    click.option(
        "--gpus",
        type=click.FloatRange(min=0),
        help="With ray: that each of them reserves; none without it.",
    ),
)
"""Of a command whose work workers can do."""


def executor_of(
    context: Context, executor: str, workers: int | None, cores: int | None, gpus: float | None
) -> RayExecutor | None:
    """What was asked for; None for this process.

    Raises:
        click.UsageError: something is said of workers, and there are none.
    """
    if executor == LOCAL:
        for flag, value in (("--workers", workers), ("--cores", cores), ("--gpus", gpus)):
            if value is not None:
                raise click.UsageError(f"{flag} is for --executor ray.")
        return None
    from headstart.jobs.on_ray.executor import RayExecutor

    return RayExecutor(context, executor, workers, cores, gpus or 0.0)
