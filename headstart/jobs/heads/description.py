"""What a shipped model is, written beside it: for programs as JSON, for people as a model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.backbone_model import pipeline_of
from headstart.context import Context
from headstart.heads.evaluation.provenance import calibration_text, lineage_text
from headstart.heads.models.cards import model_card
from headstart.heads.tasks import task_of
from headstart.registry.entities import Backbone
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.files import written_aside


@dataclass(frozen=True)
class Told:
    """What is told of a model.

    Attributes:
        difference: the largest that its checks found.
        takes: what goes in, in words.
        pixels: whether the arithmetic of the preprocessing is inside the model.
        names: of joined features the inputs of each backbone, by its own names.
    """

    difference: float
    takes: str
    pixels: bool = False
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def describe(
    context: Context,
    record: HeadRecord,
    target: Path,
    backbone: Backbone,
    told: Told,
    others: Sequence[Backbone] = (),
) -> None:
    """Write `NAME.json` and `NAME.md`.

    Args:
        context: where the backbone's preprocessing is.
        record: the head that the model ends in.
        target: the model's file or folder.
        backbone: of the model, the first of several.
        told: of the model.
        others: the backbones beside it, of a head that takes joined features.
    """
    facts = {
        "task": task_of(record.settings).describe(),
        "classes": list(record.classes),
        "takes": told.takes,
        **(_joined(context, told, backbone, *others) if others else _of(context, told, backbone)),
        "backbone": record.backbone,
        "cut": record.cut,
        "head": f"{record.name}:{record.version}",
        "came_from": lineage_text(record) or None,
        "feature_key": record.feature_key,
        "metrics": record.metrics,
        "probabilities": calibration_text(record),
        "versions": record.versions,
    }
    text = {
        ".json": json.dumps(facts, indent=2, ensure_ascii=False) + "\n",
        ".md": model_card(record, backbone, told.difference, target.name, told.takes, others),
    }
    for suffix, content in text.items():
        with written_aside(target.with_suffix(suffix)) as file:
            file.write(content.encode())


def _of(context: Context, told: Told, backbone: Backbone) -> dict[str, Any]:
    """What has to be done to samples before, and what the model does."""
    inside = pipeline_of(context, backbone).arithmetic if told.pixels else ()
    return {
        "preprocessing": backbone.preprocessing,
        "inside_the_model": list(inside),
        "licence": backbone.licence,
    }


def _joined(context: Context, told: Told, *backbones: Backbone) -> dict[str, Any]:
    """The same of each backbone, with the inputs of the model that it takes."""
    each = {one.reference: one for one in backbones}
    return {
        "joined": [
            {"backbone": name, "inputs": told.names[name], **_of(context, told, one)}
            for name, one in each.items()
        ]
    }
