"""Trunks that one test had converted are there for the next tests of the process.

Half of what a test with a backbone of its own took was the conversion of a trunk that a test before
had converted already: what a trunk is made of is in its key. What is shared is what was kept, and
a workspace that takes it compiles it and compares it with TensorFlow's features as it does with its
own. Tests of conversions themselves convert anew: those of engines, and what is marked `converts`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from headstart.extractors.engines.conversions import Conversions


class Kept(NamedTuple):
    """What `Conversions.keep` takes."""

    files: Mapping[str, bytes]
    references: tuple
    facts: Mapping[str, Any]
    seconds: float


@pytest.fixture(scope="session")
def converted() -> dict[str, Kept]:
    """What was converted in this process, by the key of its trunk."""
    return {}


@pytest.fixture(autouse=True)
def shared_conversions(request, monkeypatch, converted):
    if "engines" in request.path.parts or request.node.get_closest_marker("converts"):
        return
    find, keep = Conversions.find, Conversions.keep

    def found(self, trunk):
        kept = find(self, trunk)
        if kept is None and trunk.key in converted:
            keep(self, trunk, *converted[trunk.key])
            kept = find(self, trunk)
        return kept

    def keeping(self, trunk, *given):
        keep(self, trunk, *given)
        converted[trunk.key] = Kept(*given)

    monkeypatch.setattr(Conversions, "find", found)
    monkeypatch.setattr(Conversions, "keep", keeping)
