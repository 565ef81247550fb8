"""`--executor`: what does the work of a command, and how much of it at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.parameters import NUMBER

if TYPE_CHECKING:
    from headstart.context import Context
    from headstart.jobs.on_ray import RayExecutor, RayTrials

LOCAL = "local"


class ExecutorName(click.ParamType):
    """`local`, `ray` or `ray://ADDRESS`."""

    name = "executor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == LOCAL:
            return value
        from headstart.clusters.ray_cluster import address_in
        from headstart.errors import ClusterError

        try:
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
    help="What computes: this process, or actors of Ray (extra ray).",
)
options_of_trials = (
    executor_option,
    click.option(
        "--workers",
        type=NUMBER,
        help="With ray: number of workers. Default: one per node to extract, as many as fit "
        "to try heads.",
    ),
    click.option(
        "--cores",
        type=NUMBER,
        help="With ray: cores per worker. Default: an equal share to extract, one to try heads.",
    ),
)
"""Of a command that extracts and tries heads."""
options_of_workers = (
    *options_of_trials,
    click.option(
        "--gpus",
        type=click.FloatRange(min=0),
        help="With ray: GPUs per worker. Default: none.",
    ),
)
"""Of a command that extracts."""


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        executor: `local`, `ray` or `ray://ADDRESS`.
        workers: how many.
        cores: of each.
        gpus: of each.
    """

    executor: str
    workers: int | None = None
    cores: int | None = None
    gpus: float | None = None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Asked:
        """From a command's options, which are taken out.

        Raises:
            click.UsageError: something is said of workers, and there are none.
        """
        own = {field.name: given.pop(field.name) for field in fields(cls) if field.name in given}
        odd = [name for name, value in own.items() if name != "executor" and value is not None]
        if own["executor"] == LOCAL and odd:
            raise click.UsageError(f"--{odd[0]} is for --executor ray.")
        return cls(**own)

    def to_extract(self, context: Context) -> RayExecutor | None:
        """What extracts; None for this process."""
        if self.executor == LOCAL:
            return None
        from headstart.jobs.on_ray import RayExecutor

        return RayExecutor(context, self.executor, self.workers, self.cores, self.gpus or 0.0)

    def to_try(self, context: Context) -> RayTrials | None:
        """What tries heads; None for this process."""
        if self.executor == LOCAL:
            return None
        from headstart.jobs.on_ray import RayTrials

        return RayTrials(context, self.executor, self.workers, self.cores or 1)
