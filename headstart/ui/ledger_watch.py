"""The ledger is asked once a second for all who look on, and not by each of them."""

from __future__ import annotations

import asyncio
import json
from time import monotonic

from starlette.concurrency import run_in_threadpool

from headstart.context import Context
from headstart.jobs.features.job_progress import JobProgress
from headstart.jobs.features.jobs import find_jobs

SHOWN = 50
EVERY_SECONDS = 1.0
"""How often the ledger is looked at while somebody looks on."""
FACTS = ("id", "state", "total", "committed", "failed", "missing", "claimed", "rate")
FACTS += ("seconds_left", "workers", "lost_workers", "failures", "error", "result")
"""What of a job changes while it goes on; what stays is on the page."""


class LedgerWatch:
    """What the ledger says, a second old at most; used on the event loop alone.

    Args:
        context: of the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._look: asyncio.Task[str] | None = None
        self._looked = 0.0

    async def told(self) -> str:
        """The jobs in a line of JSON. Who asks while another's look is under way waits for that."""
        look = self._look
        is_ours = look is not None and look.get_loop() is asyncio.get_running_loop()
        is_old = monotonic() - self._looked >= EVERY_SECONDS
        if look is None or not is_ours or (look.done() and is_old):
            self._looked = monotonic()
            look = self._look = asyncio.create_task(run_in_threadpool(self._told))
            look.add_done_callback(_hear)
        return await asyncio.shield(look)  # who leaves does not end it for the others

    def _told(self) -> str:
        found = find_jobs(self._context, SHOWN)
        return json.dumps([_facts(one) for one in found], ensure_ascii=True)


def _hear(look: asyncio.Task[str]) -> None:
    """Of one that failed when all who waited had left, asyncio would print all that it was in."""
    if not look.cancelled():
        look.exception()


def _facts(one: JobProgress) -> dict[str, object]:
    facts = one.to_json()
    return {**{name: facts[name] for name in FACTS}, "done": one.done_text}
