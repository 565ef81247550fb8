"""A job's supervisor, as whoever started it sees it."""

from __future__ import annotations

import time

from headstart.clusters.ray_cluster import RayCluster, ray, understood
from headstart.errors import ClusterError
from headstart.extractors.run.report import Report
from headstart.jobs.on_ray.actors import start, why
from headstart.jobs.on_ray.brief import Brief, Status
from headstart.notices import tell

WAIT_SECONDS = 10.0
"""After so long it is said that workers wait for room."""
STARTS = 3
"""Times that a supervisor is started which is gone."""


class Watched:
    """Asks a supervisor, without waiting for an answer, and passes on what it says.

    Args:
        brief: of the job.
        cluster: where it is.
    """

    def __init__(self, brief: Brief, cluster: RayCluster) -> None:
        self._brief, self._cluster = brief, cluster
        self._starts = 0
        self._told = 0
        self._is_told_of_room = False
        self._since = time.monotonic()
        self.status: Status | None = None
        self._start()

    @property
    def reports(self) -> tuple[Report, ...]:
        """Of the workers that have left."""
        return () if self.status is None else self.status.reports

    @property
    def is_over(self) -> bool:
        """Whether nobody works any more, and nobody will."""
        return self.status is not None and self.status.is_over

    @property
    def last_words(self) -> str:
        """What was said last of what happened."""
        return "; ".join(self.status.notes[-3:]) if self.status is not None else ""

    def look(self) -> None:
        """Take up what it has answered, if it has, and ask again.

        Raises:
            ClusterError: it cannot be started.
        """
        from ray.exceptions import ActorUnavailableError, RayError

        try:
            if ray().wait([self._asked], timeout=0)[0]:
                self.status = ray().get(self._asked)
                self._ask()
        except ActorUnavailableError:  # Ray is starting it again
            self._ask()
        except RayError as error:
            if self._starts >= STARTS:
                raise ClusterError(
                    f"nothing can be started on {self._cluster.name}: {why(error)}",
                    hint="Every node needs this version of Python and Headstart, with the extra "
                    f"ray. Job {self._brief.job} stays queued: the same command continues with it.",
                ) from error
            self._start()
        self._tell()

    def _start(self) -> None:
        self._starts += 1
        with understood():
            self._actor = start(self._brief)
        self._ask()

    def _ask(self) -> None:
        self._asked = self._actor.status.remote()

    def _tell(self) -> None:
        if self.status is None:
            return
        for note in self.status.notes[self._told :]:
            tell(f"job {self._brief.job}: {note}")
        self._told = len(self.status.notes)
        if not self.status.waiting:
            self._since = time.monotonic()
        elif not self._is_told_of_room and time.monotonic() - self._since > WAIT_SECONDS:
            self._is_told_of_room = True
            self._tell_of_room(self.status.waiting)

    def _tell_of_room(self, waiting: int) -> None:
        brief = self._brief
        wants = f"{brief.cores} CPUs" if brief.cores > 1 else "1 CPU"
        wants += f" and {brief.gpus:g} GPUs" if brief.gpus else ""
        can = any(
            node.cpus >= brief.cores and node.gpus >= brief.gpus for node in self._cluster.nodes()
        )
        never = "" if can else "; no node has as many, so they wait until one comes"
        tell(
            f"job {brief.job}: {waiting} of {brief.workers} workers wait for room, {wants} each: "
            f"the cluster has {self._cluster.room()}{never}"
        )
