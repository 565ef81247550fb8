"""`head import`: a head that was trained in another workspace."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

from headstart.context import Context
from headstart.errors import HeadError, first_line
from headstart.fields import WrongField
from headstart.heads.evaluation.provenance import IMPORTED
from headstart.jobs.heads.care.head_bundle import HINT, WEIGHTS, HeadBundle
from headstart.jobs.heads.care.head_record import check_alike, find_record_in
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

UNCONFIRMED = "; nothing in the file confirms what it says"


def import_head(context: Context, path: str | Path, name: str | None = None) -> TrainedHead:
    """See `Heads.import_`."""
    file = Path(path).expanduser()
    bundle = HeadBundle.read(file)
    try:
        made = Head(**bundle.record)
        for digest in (made.feature_key, *(one.feature_key for one in known_of(made))):
            checked_digest(digest)
        made = replace(made, name=check_name(name or made.name, "head"))
        told = _came_from(bundle)
    except WrongField as error:
        raise HeadError(f"cannot read {file} as a head: {error}", hint=HINT) from error
    except (TypeError, KeyError, AttributeError) as error:
        what = first_line(error).partition(": ")[2] or "its record is damaged"
        raise HeadError(f"cannot read {file} as a head: {what}", hint=HINT) from error
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
    if told.endswith(UNCONFIRMED):
        warn(
            f"{path} has no record with its weights, as older files, or one "
            "that was changed: kind, settings and scores of the head are what it says"
        )
    return TrainedHead(context, kept)


def _came_from(bundle: HeadBundle) -> str:
    """Where a head comes from, as its file says.

    Raises:
        WrongField: the file says of the head what the record beside its weights does not.
    """
    came = bundle.origin
    told = f"{came['head']} of workspace {came['workspace']}, trained {came['trained']}, "
    told += f"exported {came['exported']} by {came['by']}"
    recorded = find_record_in(BytesIO(bundle.weights), WEIGHTS)
    if recorded is not None:
        check_alike(bundle.record, recorded.record)
        was = str(bundle.record["versions"].get(IMPORTED, ""))
        return told + UNCONFIRMED * was.endswith(UNCONFIRMED)
    return told + UNCONFIRMED
