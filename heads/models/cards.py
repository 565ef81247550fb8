"""Model cards: what a shipped model is, for people and for Hugging Face's hub."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from headstart.heads.evaluation.intervals import interval_of
from headstart.heads.evaluation.provenance import (
    calibration_text,
    chosen_text,
    few_groups_text,
    few_text,
    fitted_text,
    held_out_text,
    lineage_text,
    scores_in,
    untested_text,
    words_of,
)
from headstart.heads.regression import Regression
from headstart.heads.tasks import task_of
from headstart.registry.entities import Backbone, Head
from headstart.registry.references import parts_of
from headstart.values.installed import locked
from headstart.visible import visible, visible_json

BAR = r"\|"
MARKUP = re.compile(r"[\\`*|!\[\]]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What begins markup, or what GitHub takes for a link by itself: https://github.github.com/gfm."""
HUB_NAMES = {
    "macro_f1": "f1",
    "r2": "r_squared",
    "mean_absolute_error": "mae",
    "auroc": "roc_auc",
    "brier": "brier_score",
}
"""What the hub calls our metrics, where that differs."""


def model_card(
    head: Head,
    backbone: Backbone,
    difference: float | None = None,
    file: str | None = None,
    takes: str | None = None,
    others: Sequence[Backbone] = (),
) -> str:
    """Markdown with the YAML head that the hub reads.

    https://huggingface.co/docs/hub/model-cards describes the fields. `others` are the backbones
    beside the first, where a head takes joined features.
    """
    every = (backbone, *others)
    # JSON is YAML, and needs no library to be written right.
    lines = [
        f"{key}: {visible_json(json.dumps(value, ensure_ascii=False))}"
        for key, value in _front(head, every).items()
    ]
    rows = _rows(head, every, takes)
    if difference is not None:
        line = f"probabilities within {difference:.1g} of the cached features' path"
        rows.append(("check", line))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        "---\n" + "\n".join(lines) + "\n---\n\n"
        f"# {head.name}\n\n`{file or head.name}`: {_what(head)}, made with Headstart.\n\n"
        "| what | |\n| --- | --- |\n" + table + "\n\n" + _environment()
    )


def _licences(every: Sequence[Backbone]) -> list[str]:
    return list(dict.fromkeys((one.licence or "other").lower() for one in every))


def _scores(head: Head) -> dict[str, float]:
    return {name: head.metrics[name] for name in scores_in(head.metrics)}


def _front(head: Head, every: Sequence[Backbone]) -> dict[str, Any]:
    """What the hub reads."""
    licences, scores = _licences(every), _scores(head)
    sources = list(dict.fromkeys(one.source for one in every))
    is_regression = isinstance(task_of(head.settings), Regression)
    return {
        "library_name": "keras",
        "license": licences[0] if len(licences) == 1 else "other",
        "base_model": sources[0] if len(sources) == 1 else sources,
        "datasets": [head.dataset],
        "metrics": [HUB_NAMES.get(name, name) for name in scores],
        "tags": ["transfer-learning", "headstart", head.kind],
        "model-index": [
            {
                "name": head.name,
                "results": [
                    {
                        "task": {"type": "regression" if is_regression else "classification"},
                        "dataset": {"name": head.dataset, "type": head.dataset},
                        "metrics": [
                            {"type": HUB_NAMES.get(name, name), "value": round(value, 4)}
                            for name, value in scores.items()
                        ],
                    }
                ],
            }
        ],
    }


def _rows(head: Head, every: Sequence[Backbone], takes: str | None) -> list[tuple[str, str]]:
    """What people read: each what and what it is."""
    licences = _licences(every)
    digests = dict.fromkeys(f"`{one.artifact_digest}`" for one in every)
    return [
        _backbone_row(head, every),
        ("backbone's sha256", ", ".join(digests)),
        *([("licences", _text(", ".join(licences)))] if len(licences) > 1 else []),
        ("dataset", f"{_text(head.dataset)}, digest `{head.dataset_digest}`"),
        ("feature key", f"`{head.feature_key}`"),
        ("head", f"{head.name}, version {head.version}, {head.kind}, seed {head.seed}"),
        *[("from", _text(line)) for line in [lineage_text(head)] if line],
        *[("takes", _text(line)) for line in [takes] if line],
        ("classes", _text(", ".join(str(label) for label in head.classes)) or "none: a number"),
        *((_text(words_of(name)), _scored(head.metrics, name)) for name in _scores(head)),
        ("held out", held_out_text(head.metrics)),
        *[("not tested", _text(line)) for line in [untested_text(head.metrics)] if line],
        *[("few groups", _text(line)) for line in [few_groups_text(head.metrics)] if line],
        *[("few samples", _text(line)) for line in [few_text(head.metrics)] if line],
        ("fitted on", _text(fitted_text(head))),
        ("chosen on", _text(chosen_text(head))),
        ("probabilities", _text(calibration_text(head))),
        (
            "versions",
            _text(", ".join(f"{name} {number}" for name, number in head.versions.items())),
        ),
    ]


def _environment() -> str:
    """The packages with which the model was written, for pip to install them again."""
    head = "## Environment\n\nPackages where this was written, as a requirements file:\n\n"
    return head + "```text\n" + "\n".join(locked()) + "\n```\n"


def _backbone_row(head: Head, every: Sequence[Backbone]) -> tuple[str, str]:
    """What the head takes: each backbone with where it came from, and its cut."""
    found = {one.reference: one.source for one in every}
    if len(parts := parts_of(f"{head.backbone}@{head.cut}")) == 1:  # it may be of another name now
        found = {head.backbone: every[0].source}
    return "backbone" if len(parts) == 1 else "backbones", "; ".join(
        f"{_text(name)}{f' ({_code(found[name])})' if name in found else ''}, cut at {_code(cut)}"
        for name, _, cut in (part.partition("@") for part in parts)
    )


def _code(text: str) -> str:
    return f"`{visible(text).replace('`', chr(39)).replace('|', BAR).replace('<', '&lt;')}`"


def _text(text: str) -> str:
    """A value in a Markdown table: one line, and nothing of it is markup.

    Names, labels and sources come from files: a link, a picture that tells who looks at the card,
    or HTML in them would be the card's own.
    """
    return MARKUP.sub(r"\\\g<0>", visible(text)).replace("<", "&lt;")


def _what(head: Head) -> str:
    if "parent" in head.settings:
        return "a backbone whose upper layers were trained together with a light head on it"
    if "joined" in head.settings:
        return "frozen backbones, or several cuts of one, side by side and a light head on them"
    return "a frozen backbone and a light head on it"


def _scored(metrics: dict[str, Any], name: str) -> str:
    interval = interval_of(metrics, name)
    within = "no interval" if interval is None else "95 %: {:.4f} to {:.4f}".format(*interval)
    return f"{metrics[name]:.4f} ({within})"
