"""Which cached features are of a dataset."""

from __future__ import annotations

from contextlib import suppress

from headstart.cached import features_of
from headstart.errors import HeadstartError
from headstart.registry import listing
from headstart.registry.entities import Dataset
from headstart.registry.references import exact
from headstart.ui.site import Site


def features_for(site: Site, dataset: Dataset, *, only_vectors: bool = False) -> list[str]:
    """The cuts that have rows of a dataset, as one names them.

    Args:
        site: whose workspace.
        dataset: as it is now.
        only_vectors: whether maps and sequences are left out.
    """
    rows = [row for row in listing.features(site.workspace.config) if row["rows"]]
    own = [row for row in rows if not row["view"] and (len(row["shape"]) == 1 or not only_vectors)]
    names = list(dict.fromkeys(exact(f"{row['backbone']}@{row['cut']}") for row in own))
    known = tuple((row["feature_key"], row["rows"]) for row in own)
    return site.memory.get(
        ("features", dataset.manifest, known),
        lambda: [name for name in names if _are_of(site, name, dataset)],
    )


def _are_of(site: Site, name: str, dataset: Dataset) -> bool:
    with suppress(HeadstartError):  # of other samples, or of a backbone that is gone
        features_of(site.workspace.context, name, dataset.name, "float32")
        return True
    return False
