"""An index of the features of a dataset: the one that is kept, or one that is made now."""

from __future__ import annotations

import time

from headstart.errors import ArtifactDamaged
from headstart.extractors.cache.kept_indexes import IndexIdentity
from headstart.extractors.cache.kept_maps import contents_of
from headstart.heads.exploration.neighbour_index import (
    FORMAT,
    RECALL,
    IndexFacts,
    NeighbourIndex,
    has_usearch,
    usearch_here,
)
from headstart.jobs.exploration.looked_at import LookedAt
from headstart.jobs.exploration.retriever import Retriever
from headstart.notices import tell, warn
from headstart.progress import Progress, silent
from headstart.storage.scratch import scratch_folder
from headstart.values.sizes import MILLION


def retriever_of(
    among: LookedAt,
    index: bool | None = None,
    progress: Progress = silent,
    *,
    is_kept: bool = True,
) -> Retriever:
    """See `Workspace.retriever`; one that is not kept is asked once."""
    is_many = len(among.samples) > MILLION
    is_indexed = is_many if index is None else index
    if is_many and index is None and not has_usearch():
        tell(
            f"all {len(among.samples):,} samples are compared, which takes long: an index is made "
            "by USearch, which is not installed; pip install 'headstart[search]'"
        )
        is_indexed = False
    found = _index_of(among, progress) if is_indexed else None
    return Retriever(among, found, is_kept=is_kept)


def _index_of(among: LookedAt, progress: Progress) -> NeighbourIndex:
    usearch_here()  # before anything is looked at for it
    identity, kept_ones = _identity_of(among), among.context.indexes
    kept = kept_ones.find(identity)
    if kept is not None:
        try:
            return NeighbourIndex.open(kept_ones.path_of(kept), IndexFacts.from_json(kept.facts))
        except ArtifactDamaged as error:
            tell(f"{error.message}: it is made again")
    started = time.monotonic()
    made = NeighbourIndex.build(among.stored, progress=progress)
    if made.facts.recall < RECALL:
        warn(
            f"the index of {made.facts.rows:,} samples finds {made.facts.recall:.1%} of the ten "
            f"nearest of {made.facts.tried:,} samples that were tried; --exact compares all"
        )
    # Beside the artifacts, not in the system's place for temporary files, which may be memory.
    with scratch_folder(among.context.config.root) as folder:
        made.save(folder / "made.index")
        seconds = time.monotonic() - started
        kept_ones.keep(identity, folder / "made.index", made.facts.to_json(), seconds)
    return made


def _identity_of(among: LookedAt) -> IndexIdentity:
    origin, way = among.origin, among.view.windows
    return IndexIdentity(
        among.view.key,
        tuple(block.key for block in origin.blocks),
        origin.dataset.name,
        contents_of(among.samples),
        FORMAT,
        # The contents are those of the whole samples, however these were cut.
        "" if way is None else f"{way} of {origin.dataset.digest}",
        among.choice,
    )
