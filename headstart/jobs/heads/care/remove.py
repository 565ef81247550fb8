"""`ws.heads.remove`: heads are forgotten, one version or all but the latest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.context import Context
from headstart.errors import HeadError, StillInUse
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.names import split_version
from headstart.registry.selection.age import Age, Pruned
from headstart.values.showable import Showable


@dataclass(frozen=True)
class RemovedHeads(Showable):
    """Heads that were forgotten.

    Attributes:
        removed: `NAME:VERSION` of each.
        spared: versions that were to be removed and are in use, each with what uses it.
    """

    removed: tuple[str, ...]
    spared: tuple[str, ...] = ()

    def _line(self) -> str:
        return ", ".join(self.removed) or "none"


def remove(
    context: Context, reference: str, *, keep: int | None = None, force: bool = False
) -> RemovedHeads:
    """See `Heads.remove`. What uses a head is looked for in the transaction that removes it."""
    with context.database.together():
        return _removed(context, reference, keep, force=force)


def _removed(context: Context, reference: str, keep: int | None, *, force: bool) -> RemovedHeads:
    chosen = context.heads.get(reference)
    if keep is None:
        if not force and (uses := uses_of(chosen, context.heads.find_all())):
            raise StillInUse(
                f"head {_name(chosen)} is in use: {uses}",
                hint="Remove it anyway with --force; the aliases go with it, and what "
                "was fine-tuned from it can no longer be reproduced.",
            )
        return RemovedHeads(tuple(context.heads.remove([chosen])))
    if keep < 1:
        raise HeadError(
            f"keep is {keep}", hint="Give 1 or more; without it one version is removed."
        )
    if split_version(reference)[1] is not None or chosen.name != reference:
        raise HeadError(
            f"{reference!r} is one version of head {chosen.name!r}",
            hint=f"Name the head, {chosen.name}, of which all but the latest {keep} are to go.",
        )
    known = context.heads.find_all()
    old = [one for one in known if one.name == chosen.name][:-keep]
    used = {} if force else {_name(one): uses for one in old if (uses := uses_of(one, known))}
    gone = [one for one in old if _name(one) not in used]
    spared = tuple(f"{name}: {uses}" for name, uses in used.items())
    return RemovedHeads(tuple(context.heads.remove(gone)), spared)


def prune(context: Context, name: str | None, age: Age, *, apply: bool = False) -> Pruned:
    """See `Heads.prune`. What uses a head is looked for in the transaction that removes it."""
    with context.database.together():
        known = context.heads.find_all()
        names = dict.fromkeys(one.name for one in known)
        if name is not None:
            chosen = context.heads.get(name)
            if chosen.name != name:
                raise HeadError(f"{name!r} is one version of head {chosen.name!r}", hint="Name it.")
            names = {name: None}
        age = replace(age, keep=max(age.keep, 1))
        old = [
            one
            for each in names
            for one in age.old(
                [head for head in reversed(known) if head.name == each], lambda one: one.created_at
            )
        ]
        used = {_name(one): uses for one in old if (uses := uses_of(one, known))}
        gone = sorted((one for one in old if _name(one) not in used), key=_place)
        spared = tuple(f"{one}: {uses}" for one, uses in sorted(used.items()))
        removed = tuple(context.heads.remove(gone) if apply else map(_name, gone))
        return Pruned("head", removed, spared, apply)


def _place(head: HeadRecord) -> tuple[str, int]:
    return head.name, head.version


def uses_of(head: HeadRecord, known: Sequence[HeadRecord]) -> str:
    """What of all heads depends on one, in words: its aliases, and what was fine-tuned from it."""
    tuned = [
        _name(one)
        for one in known
        if one.settings.get("parent") == _name(head) and one.id != head.id
    ]
    parts = [f"alias {alias}" for alias in head.aliases]
    return ", ".join([*parts, *(f"{name} was fine-tuned from it" for name in tuned)])


def _name(head: HeadRecord) -> str:
    return f"{head.name}:{head.version}"
