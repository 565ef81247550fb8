"""The zoo with what is known of it here: how fast its backbones ran."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.config import load_config
from headstart.errors import HeadstartError, WorkspaceNotFound
from headstart.notices import warn
from headstart.registry import listing
from headstart.registry.zoo import ZooEntry, find_entries
from headstart.values.showable import Results


@dataclass(frozen=True)
class ListedEntry(ZooEntry):
    """A known backbone in a list.

    Attributes:
        samples_a_second: of the largest extraction in this workspace; None without one.
    """

    samples_a_second: float | None = None

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "samples_a_second": self.samples_a_second}


def list_zoo(root: Path, pattern: str | None = None) -> Results[ListedEntry]:
    """Known backbones whose name holds the pattern, or matches it as a glob; all without one.

    Args:
        root: of the workspace that speeds are taken from; there need be none.
        pattern: a part of the name, or a glob.
    """
    speeds = _speeds(root)
    return Results(
        ListedEntry(**vars(entry), samples_a_second=speeds.get(entry.source))
        for entry in find_entries(pattern)
    )


def _speeds(root: Path) -> dict[str, float]:
    try:
        return listing.speeds(load_config(root))
    except WorkspaceNotFound:
        return {}
    except HeadstartError as error:  # the zoo can be seen without a workspace
        warn(f"no speeds are known: {error}")
        return {}
