"""From a source to a backbone entity: open, cut, fingerprint, keep the file."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from headstart.extractors.backbones.cuts import Cut, list_cuts, resolve
from headstart.extractors.backbones.graph import Graph, Ref
from headstart.extractors.backbones.lint import lint_graph, lint_pipeline
from headstart.extractors.backbones.loader import SUFFIXES, open_source
from headstart.extractors.backbones.sources.custom_objects import CustomObjects, read_custom_objects
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.preprocessing.defaults import check_fits, from_given
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.safety.first_load import FOLDER, FirstLoad
from headstart.registry.entities import Backbone, CutPoint
from headstart.storage.artifacts import ArtifactStore
from headstart.storage.scratch import scratch_folder


@dataclass(frozen=True)
class Wanted:
    """What is asked for of a source.

    Attributes:
        cut: the default cut, if not the penultimate one.
        preprocess: a mode, a JSON or TOML file, or a pipeline; what the source knows without it.
        orient: `exif` turns pictures as their EXIF says, `ignore` takes them as they are stored,
            as Keras does; as `preprocess` has it without it.
        licence: SPDX name; what the source states without it.
        tags: free keys and values.
        trust: load the file even if it brings code; recorded with user, time and sha256.
        custom_objects: a Python file with the model's own layers and functions; it is run, and
            recorded likewise.
        architecture: for a file of weights alone, a saved model or JSON with its architecture.
        first: how what is not trusted is loaded first; verdicts beside the artifacts without it.
    """

    cut: str | None = None
    preprocess: str | Preprocessing | None = None
    orient: str | None = None
    licence: str | None = None
    tags: dict[str, str] | None = None
    trust: bool = False
    custom_objects: str | Path | None = None
    architecture: str | Path | None = None
    first: FirstLoad | None = None


class Read(NamedTuple):
    """A backbone as it was described, and its graph, which is loaded."""

    backbone: Backbone
    graph: Graph


def read_backbone(name: str, source: str | Any, artifacts: ArtifactStore, wanted: Wanted) -> Read:
    """Open a source and describe it as a backbone; its file is copied into `artifacts`.

    Args:
        name: the backbone's name.
        source: a path, `applications:NAME`, `zoo:NAME`, or a Keras model.
        artifacts: where the model file is kept.
        wanted: what is asked for of it.

    Raises:
        BackboneError: the source cannot be opened or cut, or the preprocessing does not fit.
    """
    custom = read_custom_objects(
        None if wanted.custom_objects is None else Path(wanted.custom_objects)
    )
    with scratch_folder() as scratch:
        opened = open_source(
            source,
            scratch,
            artifacts,
            trust=wanted.trust,
            custom=custom,
            architecture=None if wanted.architecture is None else Path(wanted.architecture),
            first=wanted.first or FirstLoad(artifacts.beside(FOLDER)),
        )
        graph = opened.graph
        inputs = [_describe_input(graph, ref) for ref in graph.inputs]
        pipeline, warnings = _preprocessing(opened, inputs, wanted.preprocess, artifacts)
        if wanted.orient is not None:
            pipeline = pipeline.oriented(wanted.orient)
        cuts = list_cuts(graph, is_headless=opened.is_headless)
        chosen, reason = _chosen(cuts, wanted.cut, opened.pooling)
        artifact = artifacts.put(opened.file, SUFFIXES[opened.format])
    warnings += lint_graph(graph)
    if chosen.point.warning:
        warnings.append(chosen.point.warning)
    backbone = Backbone(
        name=name,
        source=_as_text(source)
        if isinstance(source, str)
        else f"in memory: {type(source).__name__}",
        format=opened.format,
        artifact_digest=artifact.digest,
        artifact_size=artifact.size,
        inputs=inputs,
        parameters=graph.parameters,
        preprocessing=pipeline.to_json(),
        preprocessing_fingerprint=pipeline.fingerprint,
        licence=wanted.licence or opened.licence,
        cuts=tuple(_with_default(cuts, chosen, reason)),
        tags=wanted.tags or {},
        warnings=tuple(warnings),
        trust=_trusted(artifact.digest, wanted.trust, custom)
        if wanted.trust or custom.file
        else None,
    )
    return Read(backbone, graph)


def _as_text(source: str) -> str:
    """The source as it is recorded; bytes of a path that are no UTF-8 are written out."""
    return source.encode("utf-8", "backslashreplace").decode()


def _describe_input(graph: Graph, ref: Ref) -> dict[str, Any]:
    tensor = graph.tensor(ref)
    return {
        "name": graph.node(ref).path,
        "shape": list(tensor.shape[1:]),
        "dtype": str(tensor.dtype),
    }


def _trusted(digest: str, trust: bool, custom: CustomObjects) -> dict[str, Any]:
    code = {"file": custom.file, "sha256": custom.sha256} if custom.file else None
    return {
        **({"custom_objects": code} if code else {}),
        **({"file": True} if trust else {}),
        "by": getpass.getuser(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": digest,
    }


def _chosen(
    cuts: Sequence[CutPoint], wanted: str | None, pooling: str | None
) -> tuple[Cut, str | None]:
    """The default cut, and why that one where it is not the graph's own.

    Args:
        cuts: of the graph.
        wanted: the cut that was asked for.
        pooling: how the makers pool the model's sequence, if they say so.
    """
    if wanted is not None:
        return resolve(cuts, wanted), "asked for with --cut"
    sequences = [cut for cut in cuts if (cut.default_of or cut.is_default) and len(cut.shape) == 2]
    if pooling is None or not sequences:
        return resolve(cuts, None), None
    return Cut(sequences[0], pooling), "the sequence, pooled as the model's modules.json says"


def _with_default(cuts: Sequence[CutPoint], chosen: Cut, reason: str | None) -> list[CutPoint]:
    """The cuts, with the one that was chosen as the default."""
    if (chosen.point.is_default and chosen.pooling == chosen.point.pooling) or reason is None:
        return list(cuts)
    return [
        replace(cut, is_default=True, reason=reason, pooling=chosen.pooling)
        if cut.name == chosen.point.name
        else replace(
            cut, is_default=False, reason=None, pooling=cut.pooling if cut.default_of else None
        )
        for cut in cuts
    ]


def _preprocessing(
    opened: Opened,
    inputs: list[dict[str, Any]],
    given: str | Preprocessing | None,
    artifacts: ArtifactStore,
) -> tuple[Preprocessing, list[str]]:
    """The pipeline, and warnings about it."""
    if isinstance(given, Preprocessing):
        check_fits(given, inputs)
        return given, lint_pipeline(opened.graph, given, is_given=True)
    if given is None and opened.preprocessing is not None:
        return opened.preprocessing, []
    pipeline = from_given(inputs, given, artifacts)
    check_fits(pipeline, inputs)
    return pipeline, lint_pipeline(opened.graph, pipeline, is_given=given is not None)
