"""What the members of an `.npz` are, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart.extractors.datasets.rows import find_split
from headstart.storage.manifest import SPLITS

VALUES, LABELS, IDS, GROUPS, SPLIT = "values", "labels", "ids", "groups", "splits"
WEIGHT = "weights"
NAMES = {
    VALUES: ("x", "X", "images", "data", "features"),
    LABELS: ("y", "Y", "labels", "label", "targets"),
    IDS: ("ids", "id"),
    GROUPS: ("groups", "group"),
    SPLIT: ("split", "splits"),
}
"""The usual names of each role, the first that is there counts; `x_train` and `train_x` are those
of a split."""
UNNAMED = {VALUES: "arr_0", LABELS: "arr_1"}
"""What `np.savez` calls arrays that were given no name."""
BEFORE = {VALUES: ("x_train",), LABELS: ("y_train",)}
"""Names that datasets of before there were splits of members have besides."""
WEIGHTS = ("sample_weight", "sample_weights")

Roles = dict[str, str]
"""The member of each role."""


@dataclass(frozen=True)
class Members:
    """The members of an archive.

    Attributes:
        roles: of rows that are of no split; empty where there are sets.
        sets: those of each split, in the order of the splits.
        inputs: what samples with several inputs are made of, where no member is called like values.
        unused: the others by name, in words.
    """

    roles: Roles
    sets: dict[str, Roles] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def read(self) -> list[str]:
        """The members that are read, each once."""
        of_sets = [name for roles in self.sets.values() for name in roles.values()]
        return list(dict.fromkeys([*self.inputs, *self.roles.values(), *of_sets]))

    @property
    def values(self) -> list[str]:
        """The members whose rows are samples."""
        if self.sets:
            return [roles[VALUES] for roles in self.sets.values()]
        return [self.roles[VALUES]] if VALUES in self.roles else list(self.inputs)

    @property
    def alone(self) -> str | None:
        """The member of the samples, if it is called like those of a split, and is of none."""
        name = self.roles.get(VALUES, "")
        return name if _parsed(name)[0] else None


def members_of(
    names: Sequence[str],
    *,
    is_before: bool = False,
    has_labels: bool = False,
    weights: str | None = None,
) -> Members:
    """What each member is.

    Args:
        names: of the archive's members, in order.
        is_before: whether to read as before there were groups and splits of members.
        has_labels: whether the labels lie elsewhere.
        weights: of the member that says for how many samples each counts; those of splits are
            called so and like their split, such as `sample_weight_train`.
    """
    roles = _plain(names, is_before)
    if weights is not None and weights in names:
        roles[WEIGHT] = weights
    sets = {} if is_before or VALUES in roles else _sets(names)
    is_labelled = any(LABELS in one for one in sets.values()) and not has_labels
    if weights is not None:
        for split, one in sets.items():
            found = [name for name in names if _is_of(name, weights, split)]
            one |= {WEIGHT: found[0]} if found else {}
    kept = {split: one for split, one in sets.items() if LABELS in one or not is_labelled}
    if len(kept) == 1:  # one part alone is dealt out like any array
        roles |= next(iter(kept.values()))
    if len(kept) > 1:
        labelled = Members({}, kept)
    elif VALUES in roles:
        labelled = Members(roles)
    else:
        others = [n for n in names if n not in roles.values() and (is_before or n not in WEIGHTS)]
        labelled = Members(roles, inputs=tuple(others))
    left = {one[VALUES] for split, one in sets.items() if split not in kept}
    return _with_unused(labelled, names, left)


def _with_unused(found: Members, names: Sequence[str], of_sets: set[str]) -> Members:
    of_splits = {name for name in names if all(_parsed(name))}
    why = dict.fromkeys(of_splits, f" (next to {found.roles.get(VALUES)!r})")
    why |= dict.fromkeys(of_sets, " (without labels)")
    why |= {name: f" (--weight-column {name} has heads count samples by it)" for name in WEIGHTS}
    read = set(found.read)
    unused = {name: f"array {name!r}{why.get(name, '')}" for name in names if name not in read}
    return Members(found.roles, found.sets, found.inputs, unused)


def _plain(names: Sequence[str], is_before: bool) -> Roles:
    found = {}
    for role, usual in NAMES.items():
        if is_before and role == GROUPS:
            continue
        more = BEFORE.get(role, ()) if is_before else ()
        known = (*usual, *more, *([UNNAMED[role]] if role in UNNAMED else []))
        name = next((name for name in known if name in names), None)
        if name is not None:
            found[role] = name
    return found


def _sets(names: Sequence[str]) -> dict[str, Roles]:
    """The members of each split that has values, in the order of the splits."""
    found: dict[str, Roles] = {split: {} for split in SPLITS}
    for name in names:
        split, role = _parsed(name)
        if split and role:
            found[split].setdefault(role, name)
    return {split: roles for split, roles in found.items() if VALUES in roles}


def _is_of(name: str, member: str, split: str) -> bool:
    """Whether a name is that of a member, of one split."""
    head, _, tail = name.rpartition("_")
    if head == member and find_split(tail) == split:
        return True
    head, _, tail = name.partition("_")
    return tail == member and find_split(head) == split


def _parsed(name: str) -> tuple[str | None, str | None]:
    """The split and the role in a name such as `x_train` or `train_images`."""
    head, _, tail = name.rpartition("_")
    if find_split(tail) and (role := _role(head)):
        return find_split(tail), role
    head, _, tail = name.partition("_")
    return find_split(head), _role(tail)


def _role(name: str) -> str | None:
    known = {usual.lower(): role for role, names in NAMES.items() for usual in names}
    role = known.get(name.lower())
    return None if role == SPLIT else role
