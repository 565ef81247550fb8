"""`head import`: a head that was trained in another workspace."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError, first_line
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE, Ensemble
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.provenance import TUNED
from headstart.jobs.heads.care.head_bundle import HINT, HeadBundle
from headstart.jobs.heads.train import keep
from headstart.origins.blocks import Blocks
from headstart.origins.of_head import known_of, moved_here
from headstart.paths import checked_digest
from headstart.registry.entities import Head
from headstart.registry.names import check_name
from headstart.storage.artifacts import HELD_AS, Artifact
from headstart.trained_head import SUFFIX, TrainedHead

IMPORTED = "imported"
"""Among the versions of a head: from which workspace it came, by whom and when."""


def import_head(context: Context, path: str | Path, name: str | None = None) -> TrainedHead:
    """See `Heads.import_`."""
    file = Path(path).expanduser()
    bundle = HeadBundle.read(file)
    try:
        made = Head(**bundle.record)
        for digest in (made.feature_key, *(one.feature_key for one in known_of(made))):
            checked_digest(digest)
        made = replace(made, name=check_name(name or made.name, "head"))
        came = {key: str(value) for key, value in bundle.origin.items()}
        told = f"{came['head']} of workspace {came['workspace']}, trained {came['trained']}, "
        told += f"exported {came['exported']} by {came['by']}"
    except (TypeError, KeyError, AttributeError) as error:
        raise HeadError(f"cannot read {file} as a head: {first_line(error)}", hint=HINT) from error
    made, blocks = moved_here(context, made)
    with context.holds.hold(HELD_AS):
        if bundle.tokenizer is not None:
            context.artifacts.keep(bundle.tokenizer)
        artifact = context.artifacts.put_bytes(bundle.weights, SUFFIX)
        file = {"artifact_digest": artifact.digest, "artifact_size": artifact.size}
        check_weights(context, replace(made, **file), blocks)
        versions = {**made.versions, IMPORTED: told}
        kept = keep(context, replace(made, versions=versions), bundle.weights)
    return TrainedHead(context, kept)


def check_weights(context: Context, head: Head, blocks: Blocks) -> None:
    """See that the weights in a head's file are a head's, of the classes and for the features that
    are said.

    Raises:
        HeadError: they are not; they stay as a stray file, which `features gc` finds.
    """
    artifact = Artifact(head.artifact_digest, head.artifact_size)
    place = context.artifacts.get(artifact, SUFFIX)
    try:
        if head.kind == TUNED:
            from headstart.heads.models.tuned_top import TunedTop

            stack: Any = TunedTop.read(place).stack
        else:
            is_of_several = head.kind in (ENSEMBLE, Bagged.kind)
            stack = (Ensemble if is_of_several else DenseStack).read(place)
        classes, width = list(stack.classes), stack.width
    except Exception as error:  # whatever numpy and our own reading make of other bytes
        raise HeadError(f"the weights of head {head.name!r} cannot be read", hint=HINT) from error
    shapes = [one.cut.shape for one in blocks]
    sizes = [math.prod(size for size in shape if size is not None) for shape in shapes]
    is_plain = head.kind != TUNED and not any(None in shape for shape in shapes)
    if classes != list(head.classes) or (is_plain and width != sum(sizes)):
        raise HeadError(
            f"the weights of head {head.name!r} take {width:,} numbers and say {len(classes):,} "
            f"classes, its record says {sizes} and {len(head.classes):,}",
            hint=HINT,
        )
