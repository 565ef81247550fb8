"""What was read lately: a page of samples asks for the same manifest once for each picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

from headstart.catalog.head import Head
from headstart.context import Context
from headstart.heads.trials.judged import Judged
from headstart.jobs.heads.care.judgement import judge
from headstart.registry.entities import Dataset
from headstart.storage.manifest import Manifest

T = TypeVar("T")
KEPT = 16
"""Things in memory; a manifest of a million samples has 100 MB."""


class Memory:
    """The latest of what was asked for, by what it was made of; for several threads.

    Args:
        context: of the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for this key, or gives now; two threads may both make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def manifest_of(self, dataset: Dataset) -> Manifest:
        """The samples of a dataset as it is."""
        return self.get(dataset.manifest, lambda: self._context.manifest(dataset))

    def judged_of(self, head: Head) -> Judged:
        """What a head says of its test samples, as they are labelled now; see `judge`."""
        record = head.record
        now = self._context.datasets.get(record.dataset).digest
        key = ("judged", record.name, record.version, record.artifact_digest, now)
        return self.get(key, lambda: judge(head))
