"""Trials of heads as tasks of Ray: rankings, sweeps and searches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from headstart.clusters.ray_cluster import RayCluster, address_in, connect, ray, understood
from headstart.context import Context
from headstart.errors import ClusterError
from headstart.extractors.runtime import use_cores
from headstart.jobs.heads.cross_validation import Candidate, find
from headstart.jobs.heads.trials import Attempt, Field
from headstart.jobs.on_ray.brief import Place, refuse_sqlite_between
from headstart.notices import tell

RETRIES = 3
"""Times that an attempt is made again whose process or node was lost."""


class RayTrials:
    """See `TrialExecutor`.

    Args:
        context: of the workspace.
        executor: `ray`, or `ray://ADDRESS`.
        workers: how many attempts at a time; without it as many as there is room for.
        cores: that each reserves, and computes with.
    """

    def __init__(
        self, context: Context, executor: str = "ray", workers: int | None = None, cores: int = 1
    ) -> None:
        self._context = context
        self._address = address_in(executor)
        self._workers, self._cores = workers, cores

    def run(self, field: Field, attempts: Sequence[Attempt]) -> Iterator[tuple[int, Any]]:
        """See `TrialExecutor.run`.

        Raises:
            ClusterError: the cluster cannot be reached, or has no room; or a process or node was
                lost several times at one attempt.
        """
        cluster = connect(self._address)
        refuse_sqlite_between(self._context.config, cluster.hosts())
        most = self._most_at_once(cluster)
        remote = ray().remote(attempt_here).options(num_cpus=self._cores, max_retries=RETRIES)
        place, sent = Place.of(self._context), ray().put(field)
        waiting, under_way = deque(enumerate(attempts)), dict[Any, int]()
        try:
            while waiting or under_way:
                while waiting and len(under_way) < most:
                    number, (candidate, attempt) = waiting.popleft()
                    asked = remote.remote(place, self._cores, sent, candidate, attempt)
                    under_way[asked] = number
                for one in ray().wait([*under_way])[0]:
                    yield under_way.pop(one), _result_of(one)
        finally:
            for one in under_way:  # after an error, or when nobody wants the others
                ray().cancel(one, force=True)

    def _most_at_once(self, cluster: RayCluster) -> int:
        cores, nodes = self._cores, cluster.nodes()
        room = sum(int(one.cpus // cores) for one in nodes)
        if not room:
            raise ClusterError(
                f"trials of {cores} cores each, and no node has as many: {cluster.room()}",
                hint="Give fewer --cores.",
            )
        if cluster.free_cpus() < cores:
            tell(f"the trials wait for room: {cluster.name} has {cluster.room()}")
        return self._workers or room


def _result_of(asked: Any) -> Any:
    from ray.exceptions import RayTaskError

    try:
        with understood():
            return ray().get(asked)
    except ClusterError as error:
        if isinstance(error.__cause__, RayTaskError):  # raised by the attempt, not by Ray
            raise error.__cause__.cause from None
        raise


class _Kept:
    """The features that this process has loaded last: attempts of one kind follow each other."""

    def __init__(self) -> None:
        self._of: tuple[Place, Field, int] | None = None
        self._candidate: Candidate | None = None

    def candidate(self, place: Place, cores: int, field: Field, number: int) -> Candidate:
        if self._candidate is None or self._of != (place, field, number):
            self._candidate = None  # before the next one is loaded
            use_cores(cores)
            context = place.open()
            found = find(context, field.features, field.chosen, field.trying)[number]
            self._of, self._candidate = (place, field, number), found.load()
        return self._candidate


_KEPT = _Kept()


def attempt_here(
    place: Place, cores: int, field: Field, number: int, attempt: Callable[[Candidate], Any]
) -> Any:
    """What an attempt gives, in a process of Ray's: the features are loaded here."""
    return attempt(_KEPT.candidate(place, cores, field, number))
