"""`features reindex`: heads that the registry has lost come back from their files."""

from __future__ import annotations

from headstart.context import Context
from headstart.errors import HeadstartError
from headstart.jobs.heads.care.head_record import Recorded, find_record
from headstart.jobs.heads.care.head_weights import check_weights
from headstart.jobs.heads.care.record_fields import unknown_kind
from headstart.notices import warn
from headstart.origins.of_head import moved_here
from headstart.registry.entities import Head
from headstart.storage.artifacts import Artifact
from headstart.trained_head import SUFFIX

Found = tuple[Artifact, Recorded]


def heads_back(context: Context) -> tuple[list[str], list[dict[str, str]]]:
    """Register each head that its file records and the registry does not know, in the order in
    which they were trained, as versions of their names, on the backbones here that give their
    features. Those that were removed stay so. Aliases and tags are not in files.

    Returns:
        `NAME:VERSION` of each that came back; file and reason of each that could not.
    """
    known = {one.artifact_digest for one in context.heads.find_all()}
    gone = context.events.find(kind="head", action="remove")
    known |= {str((one.before or {}).get("artifact_digest")) for one in gone}
    found, lost = list[Found](), list[dict[str, str]]()
    for path in context.artifacts.files():
        if path.suffix != SUFFIX or path.stem in known:
            continue
        try:
            here = context.artifacts.here(path.stem, SUFFIX)
            artifact = Artifact(path.stem, here.stat().st_size)
            recorded = find_record(context.artifacts.get(artifact, SUFFIX))
            if recorded is not None:
                found.append((artifact, recorded))
        except (HeadstartError, OSError) as error:
            lost.append({"file": str(path), "reason": str(error)})
    back = list[str]()
    for artifact, recorded in sorted(found, key=lambda one: one[1].trained):
        try:
            back.append(_registered(context, artifact, recorded))
        except HeadstartError as error:
            file = str(context.artifacts.path_of(artifact.digest, SUFFIX))
            lost.append({"file": file, "reason": str(error)})
    return back, lost


def _registered(context: Context, artifact: Artifact, recorded: Recorded) -> str:
    file = {"artifact_digest": artifact.digest, "artifact_size": artifact.size}
    head = Head(**{**recorded.record, **file})
    head, blocks = moved_here(context, head)
    check_weights(context, head, blocks)
    if (unknown := unknown_kind(head)) is not None:
        warn(unknown)
    made = context.heads.add(head)
    return f"{made.name}:{made.version}"
