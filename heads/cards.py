"""Model cards: what a shipped model is, for people and for Hugging Face's hub."""

from __future__ import annotations

import json
from typing import Any

from headstart.registry.entities import Backbone, Head


def model_card(head: Head, backbone: Backbone, difference: float, file: str) -> str:
    """Markdown with the YAML head that the hub reads.

    https://huggingface.co/docs/hub/model-cards describes the fields.
    """
    metrics = head.metrics
    front: dict[str, Any] = {
        "library_name": "keras",
        "license": (backbone.licence or "other").lower(),
        "base_model": backbone.source,
        "datasets": [head.dataset],
        "metrics": ["accuracy", "f1"],
        "tags": ["transfer-learning", "headstart", head.kind],
        "model-index": [
            {
                "name": head.name,
                "results": [
                    {
                        "task": {"type": "classification"},
                        "dataset": {"name": head.dataset, "type": head.dataset},
                        "metrics": [
                            {"type": "accuracy", "value": round(metrics["accuracy"], 4)},
                            {"type": "f1", "value": round(metrics["macro_f1"], 4)},
                        ],
                    }
                ],
            }
        ],
    }
    # JSON is YAML, and needs no library to be written right.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
    rows = [
        ("backbone", f"{head.backbone} (`{backbone.source}`), cut at `{head.cut}`"),
        ("backbone's sha256", f"`{backbone.artifact_digest}`"),
        ("dataset", f"{head.dataset}, digest `{head.dataset_digest}`"),
        ("feature key", f"`{head.feature_key}`"),
        ("head", f"{head.name}, version {head.version}, {head.kind}, seed {head.seed}"),
        ("classes", ", ".join(str(label) for label in head.classes)),
        ("accuracy", f"{metrics['accuracy']:.4f} on {metrics['n_test']:,} held-out samples"),
        ("macro F1", f"{metrics['macro_f1']:.4f}"),
        ("log loss", f"{metrics['log_loss']:.4f}"),
        ("trained on", f"{metrics['n_train']:,} samples, {metrics['n_validation']:,} to choose"),
        ("check", f"probabilities within {difference:.1g} of the cached features' path"),
        ("versions", ", ".join(f"{name} {number}" for name, number in head.versions.items())),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        "---\n" + "\n".join(lines) + "\n---\n\n"
        f"# {head.name}\n\n`{file}`: class probabilities by a frozen backbone and a light head, "
        "made with Headstart.\n\n| what | |\n| --- | --- |\n" + table + "\n"
    )
