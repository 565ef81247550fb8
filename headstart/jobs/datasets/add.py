"""`ws.datasets.add`: a source is looked at and registered as a dataset."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetError, NotFound
from headstart.extractors import datasets as sources
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.registry.names import check_name
from headstart.storage.manifest import Manifest


def add(
    context: Context,
    name: str,
    source: str | Path,
    *,
    kind: str | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Dataset:
    """See `Datasets.add`."""
    check_name(name, "dataset")
    path = Path(source).expanduser().absolute()
    chosen = sources.kind_of(path, kind)
    given = {key: value for key, value in options.items() if value not in (None, (), [])}
    if "values" in given:
        given["values"] = list(given["values"])
    if "labels" in given:
        given["labels"] = str(Path(given["labels"]).expanduser().absolute())
    previous = _find_previous(context, name)
    if "root" in given:
        given["root"] = _checked_root(given["root"], chosen)
    manifest = sources.scan(path, chosen, given, previous, progress)
    return context.datasets.add(described(context, name, manifest, given, previous))


def described(
    context: Context,
    name: str,
    manifest: Manifest,
    options: dict[str, Any],
    previous: Manifest | None,
) -> Dataset:
    """What the registry knows of a dataset; its manifest is written."""
    return Dataset(
        name=name,
        kind=manifest.kind,
        source=manifest.source,
        options=options,
        digest=manifest.digest,
        manifest=manifest.write(context.config.manifests, previous),
        samples=len(manifest.samples),
        unique=manifest.unique,
        classes=[str(label) for label in manifest.classes],
    )


def _find_previous(context: Context, name: str) -> Manifest | None:
    with suppress(NotFound, DatasetError):
        return context.manifest(name)
    return None


def _checked_root(root: str | Path, kind: str) -> str:
    path = Path(root).expanduser().absolute()
    if kind == "arrays":
        raise DatasetError("arrays name no files", hint="Leave the root out.")
    if not path.is_dir():
        raise DatasetError(f"the root {path} is not a folder", hint="Check the path.")
    return str(path.resolve())
