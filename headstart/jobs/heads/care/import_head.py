"""`head import`: a head that was trained in another workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headstart.context import Context
from headstart.errors import HeadError, first_line
from headstart.heads.evaluation.provenance import IMPORTED
from headstart.jobs.heads.care.head_bundle import HINT, HeadBundle
from headstart.jobs.heads.care.head_weights import check_weights
from headstart.jobs.heads.care.record_fields import unknown_kind
from headstart.jobs.heads.train import keep
from headstart.notices import warn
from headstart.origins.of_head import known_of, moved_here
from headstart.paths import checked_digest
from headstart.registry.entities import Head
from headstart.registry.names import check_name
from headstart.storage.artifacts import HELD_AS
from headstart.trained_head import SUFFIX, TrainedHead


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
    if (unknown := unknown_kind(made)) is not None:
        warn(unknown)
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
