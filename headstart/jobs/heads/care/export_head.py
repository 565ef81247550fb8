"""`head export`: a head in one file, for another workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from headstart.jobs.heads.care.head_bundle import HeadBundle
from headstart.jobs.heads.care.head_record import facts_of
from headstart.storage.artifacts import Artifact
from headstart.trained_head import SUFFIX, TrainedHead
from headstart.values.calls import host_name, user_name


def export_head(head: TrainedHead, path: str | Path) -> Path:
    """See `Head.export`."""
    record, context = head.record, head.context
    file = Path(path).expanduser()
    artifact = Artifact(record.artifact_digest, record.artifact_size)
    weights = context.artifacts.get(artifact, SUFFIX).read_bytes()
    named = record.settings.get("windows", {}).get("tokenizer")
    trained = record.created_at.isoformat(timespec="seconds") if record.created_at else "?"
    origin = {
        "workspace": context.config.id or "?",
        "head": f"{record.name}:{record.version}",
        "trained": trained,
        "by": f"{user_name()}@{host_name()}",
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    facts = facts_of(record)
    tokenizer = None if named is None else context.artifacts.read(named)
    HeadBundle(facts, origin, weights, tokenizer).write(file)
    return file
