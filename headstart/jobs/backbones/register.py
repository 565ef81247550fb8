"""Registering a backbone whose file is stored: what had lost it, or its row, is whole again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from headstart.context import Context
from headstart.errors import DatabaseGone
from headstart.extractors.backbones.loader import SUFFIXES
from headstart.notices import tell
from headstart.origins.of_head import find_block, known_of
from headstart.registry.entities import Backbone
from headstart.storage.artifacts import HELD_AS


def register(context: Context, backbone: Backbone, lost: Collection[str] | None = None) -> Backbone:
    """Insert a backbone; see `BackboneRepository.add`.

    Backbones of the same trunk and preprocessing whose stored file is lost get this one's, and
    heads whose backbone was removed are on this one if it gives the features of their key.

    Args:
        context: whose.
        backbone: as it was read; its file is stored.
        lost: what `find_lost` gave, for whoever calls this within a transaction; with
            `told_when_done` around that.
    """
    lost = find_lost(context, backbone) if lost is None else lost
    with context.database.together():
        return mend(context, backbone, context.backbones.add(backbone), lost)


def find_lost(context: Context, backbone: Backbone) -> set[str]:
    """Those of the same trunk and preprocessing whose stored file is lost. A bucket is asked, so
    not within a transaction: others would wait for the network."""
    same = context.backbones.find_same(backbone)
    return {one.reference for one in same if not _is_stored(context, one)}


def mend(
    context: Context, backbone: Backbone, kept: Backbone, lost: Collection[str] | None = None
) -> Backbone:
    """Restore what is the same as a backbone and lost its file, and heads that lost their backbone.

    Args:
        context: whose.
        backbone: as it was read; its file is stored.
        kept: the registered one that it is.
        lost: as in `register`.

    Returns:
        The registered one, as it is now.
    """
    lost = find_lost(context, backbone) if lost is None else lost
    with context.database.together():
        restored = restore(context, backbone, lost)
        heads = relink_heads(context, kept)
        kept = context.backbones.get(kept.reference)
    for label in restored:
        tell(f"the lost model file of backbone {label!r} is restored")
    for label in heads:
        tell(f"head {label!r} is on backbone {kept.label!r} again")
    return kept


def restore(context: Context, backbone: Backbone, lost: Collection[str]) -> list[str]:
    """Give this backbone's file to those of the same trunk that lost theirs; says which."""
    same = [one for one in context.backbones.find_same(backbone) if one.reference in lost]
    for one in same:
        context.backbones.set_artifact(one, backbone)
    return [one.label for one in same]


def relink_heads(context: Context, backbone: Backbone) -> list[str]:
    """Heads without a backbone that were trained on this one's features; says which."""
    linked = []
    for head in context.heads.find_all():
        if head.backbone_id is not None:
            continue
        if find_block(context, known_of(head)[0], [backbone]) is not None:
            context.heads.set_backbone(head, backbone)
            linked.append(f"{head.name}:{head.version}")
    return linked


@contextmanager
def kept_if_needed(context: Context) -> Iterator[None]:
    """Files that the block puts into the store are held; if it fails, they go again, unless
    somebody else came to need them."""
    with context.artifacts.noted() as new:
        try:
            with context.holds.hold(HELD_AS):
                yield
        except DatabaseGone:
            raise  # nobody knows whether the rows were committed; `features gc` finds what was not
        except BaseException:
            _discard(context, new)
            raise


def discard_unneeded(context: Context, backbone: Backbone) -> None:
    """Delete the file that was stored for a backbone if no row came to name it.

    The same model may come as another file; `features gc` finds what is not deleted here, as
    somebody else puts files there now.
    """
    stored = context.artifacts.path_of(backbone.artifact_digest, SUFFIXES[backbone.format])
    _discard(context, [stored])


def _discard(context: Context, files: Sequence[Path]) -> None:
    if not files:
        return
    with context.holds.alone(HELD_AS) as lock:
        needed = context.needed_artifacts() if lock.is_held else set()
        for file in files:
            if lock.is_held and file.stem not in needed:
                with suppress(OSError):  # the disk that refused it may refuse this: gc finds it
                    context.artifacts.remove([file])


def _is_stored(context: Context, backbone: Backbone) -> bool:
    suffix, size = SUFFIXES[backbone.format], backbone.artifact_size
    return context.artifacts.has(backbone.artifact_digest, suffix, size)
