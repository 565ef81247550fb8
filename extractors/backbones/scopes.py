"""Names of a frozen graph's operations, as the layers were called that they come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

CALLS = re.compile(r"^((Stateful)?PartitionedCall(_\d+)?/)+")
NUMBERED = re.compile(r"_\d+$")


def scopes_of(path: str) -> list[str]:
    """`a/b/op` lies in `a` and `a/b`; an operation outside of every scope is one by itself."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))] or [path]


def shortener(names: Sequence[str]) -> Callable[[str], str]:
    """How to shorten operations' names to what the layers were called.

    Left out are the calls that a function was inlined from, the scopes that everything lies in
    (the model's name), and the number that Keras 3 adds to every layer's name when it traces a
    model again: where all layers of a scope have it.
    """
    split = [CALLS.sub("", name).split("/") for name in names]
    common = 0
    while split and all(len(p) > common + 1 and p[common] == split[0][common] for p in split):
        common += 1
    children: dict[tuple[str, ...], set[str]] = {}
    for parts in split:
        for depth in range(common, len(parts) - 1):
            children.setdefault(tuple(parts[common:depth]), set()).add(parts[depth])
    is_traced_again = _have_one_ending(children.get((), set()))

    def shorten(name: str) -> str:
        parts = CALLS.sub("", name).split("/")[common:] or [name]
        if not is_traced_again:
            return "/".join(parts)
        scopes = [
            _without_ending(part, children.get(tuple(parts[:depth]), {part}))
            for depth, part in enumerate(parts[:-1])
        ]
        return "/".join([*scopes, parts[-1]])

    return shorten


def _have_one_ending(scopes: set[str]) -> bool:
    """Whether all end in a number, and most of them in the same one."""
    endings = Counter(match.group() for scope in scopes if (match := NUMBERED.search(scope)))
    return endings.total() == len(scopes) > 0 and max(endings.values()) * 2 > len(scopes)


def _without_ending(scope: str, siblings: Collection[str]) -> str:
    """The name without its number, where all siblings have one and no two become the same."""
    short = Counter(NUMBERED.sub("", sibling) for sibling in siblings)
    name = NUMBERED.sub("", scope)
    all_numbered = all(NUMBERED.search(sibling) for sibling in siblings)
    return name if all_numbered and short[name] == 1 else scope
