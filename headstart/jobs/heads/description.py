"""What a shipped model is, written beside it: for programs as JSON, for people as a model card."""

from __future__ import annotations

import json
from pathlib import Path

from headstart.backbone_model import pipeline_of
from headstart.context import Context
from headstart.heads.evaluation.provenance import calibration_text, lineage_text
from headstart.heads.models.cards import model_card
from headstart.heads.tasks import task_of
from headstart.registry.entities import Backbone
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.files import written_aside


def describe(
    context: Context,
    record: HeadRecord,
    target: Path,
    backbone: Backbone,
    difference: float,
    takes: str,
    *,
    pixels: bool = False,
) -> None:
    """Write `NAME.json` and `NAME.md`.

    Args:
        context: where the backbone's preprocessing is.
        record: the head that the model ends in.
        target: the model's file or folder.
        backbone: of the model.
        difference: the largest that its checks found.
        takes: what goes in, in words.
        pixels: whether the arithmetic of the preprocessing is inside the model.
    """
    inside = pipeline_of(context, backbone).arithmetic if pixels else ()
    facts = {
        "task": task_of(record.settings).describe(),
        "classes": list(record.classes),
        "takes": takes,
        "preprocessing": backbone.preprocessing,
        "inside_the_model": list(inside),
        "backbone": record.backbone,
        "cut": record.cut,
        "head": f"{record.name}:{record.version}",
        "came_from": lineage_text(record.settings) or None,
        "feature_key": record.feature_key,
        "metrics": record.metrics,
        "probabilities": calibration_text(record),
        "licence": backbone.licence,
        "versions": record.versions,
    }
    text = {
        ".json": json.dumps(facts, indent=2, ensure_ascii=False) + "\n",
        ".md": model_card(record, backbone, difference, target.name, takes),
    }
    for suffix, content in text.items():
        with written_aside(target.with_suffix(suffix)) as file:
            file.write(content.encode())
