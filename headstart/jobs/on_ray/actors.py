"""The actors of a job: a detached supervisor, and workers that it owns.

The supervisor survives who started it; Ray starts it again when its process or its node is lost.
The workers are its own and end with it, whatever becomes of it: the next supervisor begins with new
ones, and the ledger knows what is left to do.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from headstart.clusters.ray_cluster import ray
from headstart.errors import HeadstartError, first_line
from headstart.jobs.on_ray.brief import Brief, Said, Status
from headstart.jobs.on_ray.supervisor import Gone, Supervisor, supervise
from headstart.jobs.on_ray.worker import ActorWorker

LOOK_SECONDS = 1.0
SILENT_SECONDS = 60.0
"""A worker that does not say anything for so long is taken for gone: what becomes of a call to an
actor whose node is lost is not to be relied upon."""
LINGER_SECONDS = 30.0
"""So long a supervisor can be asked once it is over; then it ends itself."""


class Worker:
    """See `Handle`: a worker that is an actor.

    Args:
        brief: what it is told.
        name: of the actor.
    """

    def __init__(self, brief: Brief, name: str) -> None:
        options = {"num_cpus": brief.cores, "num_gpus": brief.gpus, "max_restarts": 0}
        kind = ray().remote(ActorWorker).options(name=name, namespace=brief.namespace, **options)
        self._actor = kind.remote(brief)
        self._said: Said | None = None
        self._ask()

    def ask(self) -> Said | None:
        """See `Handle.ask`."""
        from ray.exceptions import RayError

        try:
            if ray().wait([self._asked], timeout=0)[0]:
                self._said = ray().get(self._asked)
                self._ask()
        except RayError as error:
            raise Gone(why(error)) from error
        if self._said is not None and time.monotonic() - self._since > SILENT_SECONDS:
            raise Gone(f"it has not been heard of for {SILENT_SECONDS:.0f} s")
        return self._said

    def kill(self) -> None:
        """See `Handle.kill`."""
        ray().kill(self._actor, no_restart=True)

    def _ask(self) -> None:
        self._asked, self._since = self._actor.said.remote(), time.monotonic()


class ActorSupervisor:
    """A supervisor in a thread of its own.

    Args:
        brief: what it is told.
    """

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._own = ray().get_runtime_context().current_actor
        self._supervisor: Supervisor | None = None
        self._error: str | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def status(self) -> Status:
        """How it is."""
        if self._supervisor is not None and self._error is None:
            return self._supervisor.status()
        notes = () if self._error is None else (self._error,)
        known = None if self._supervisor is None else self._supervisor.status()
        notes = notes if known is None else known.notes + notes
        return Status(self._brief.workers, 0, self._error is not None, notes, ())

    def process(self) -> int:
        """The number of its process."""
        return os.getpid()

    def _run(self) -> None:
        try:
            context = self._brief.place.open()
            self._supervisor = Supervisor(
                context, self._brief.job, self._brief.workers, self._launch
            )
            supervise(self._supervisor, LOOK_SECONDS, time.sleep)
        except HeadstartError as error:
            self._error = str(error)
        except BaseException as error:
            self._error = first_line(error)
            raise  # into the log that Ray keeps of this process
        finally:
            time.sleep(LINGER_SECONDS)
            ray().kill(self._own, no_restart=True)  # and what workers it has

    def _launch(self) -> Worker:
        name = f"{self._brief.name}-worker-{time.time_ns()}"
        return Worker(self._brief, name)


def start(brief: Brief) -> Any:
    """The supervisor of a job, made if there is none yet."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Where it was asked for the workspace can be seen; elsewhere only when that node is lost.
    here = ray().get_runtime_context().get_node_id()
    kind = ray().remote(ActorSupervisor)
    made = kind.options(
        name=brief.name,
        namespace=brief.namespace,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=4,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
    )
    return made.remote(brief)


def why(error: Exception) -> str:
    """Of what Ray says of a dead actor, over a dozen lines, the one that has the reason."""
    lines = [line.strip() for line in str(error).splitlines()]
    marked = [line for line in lines if "exit detail" in line or "died because" in line.lower()]
    named = [line for line in lines if "Error: " in line]
    told = next(iter(named[-1:] or marked), first_line(error))
    return told.split("Some common causes")[0].strip()[:300]
