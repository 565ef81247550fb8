"""A head's report: one HTML file with all that can be seen of it, and nothing to fetch."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from headstart import __version__
from headstart.catalog.head import Head
from headstart.errors import FeaturesMissing, HeadError, SampleChanged, SampleUnreadable
from headstart.extractors.preprocessing.preview import cell, glance
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import (
    groups_text,
    interval_text,
    score_text,
)
from headstart.heads.evaluation.provenance import (
    OF_PROBABILITIES,
    balanced_text,
    calibration_text,
    chosen_text,
    few_groups_text,
    few_text,
    fitted_text,
    lineage_text,
    scores_in,
    untested_text,
    words_of,
)
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.labelled import some_rows
from headstart.heads.models.curves import NoCurve, band_text
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification
from headstart.heads.trials.judged import Judged
from headstart.jobs.datasets.audit import Audit, audit
from headstart.jobs.heads.cross_validation import CrossValidation
from headstart.plots.by_task import TaskView, view_of
from headstart.plots.curves import draw_learning_curve
from headstart.plots.figures import to_png, to_svg
from headstart.plots.maps import draw_map
from headstart.progress import Progress, silent
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.references import parts_of
from headstart.storage.files import written_aside
from headstart.storage.manifest import SPLITS, Sample
from headstart.values.templates import html_environment

TEMPLATE = "report.html.jinja"
SUFFIXES = (".html", ".htm")
SHOWN = 24
"""Mistakes, suspects and pairs that are shown of each."""
ON_THE_MAP = 3000
STEPS = 5
NOT_JUDGED = (
    "labels are judged where each sample has one class, or numbers whose squared error is fitted"
)


@dataclass(frozen=True)
class Shown:
    """A sample in the report: a picture as a data URL, or words; and what is said of it."""

    picture: str | None
    words: str
    name: str
    caption: str


def write_report(
    head: Head, path: str | Path, *, seed: int = 0, progress: Progress = silent
) -> Path:
    """Write what is known of a head: lineage, scores with intervals, confusion, calibration,
    learning curve, the most confident mistakes, a map of the features, labels worth a look and
    near duplicates; of numbers what it predicts over what is given, and how far it is off. What is
    shown of which task stands in `by_task`.

    Args:
        head: whose features are still cached.
        path: `.html`.
        seed: of the map and of the folds.
        progress: called with (parts done, parts in all).

    Raises:
        HeadError: the dataset or the backbone is not what it was, the file is no `.html`, or the
            extra `plot` is not installed.
        FeaturesMissing: the features are not cached any more.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise HeadError(f"cannot write a report into {target}", hint="Name an .html file.")
    template = template_of(TEMPLATE)
    done = iter(range(1, STEPS + 1))

    def step(part: dict[str, Any]) -> dict[str, Any]:
        progress(next(done), STEPS)
        return part

    judged = head.held_out()
    told = step(_told_of_scores(head, judged))
    curve, band = _curve(head)
    told |= step({"curve": curve, "band": band})
    told |= step({"map": _draw_map(head, seed)})
    audit, reason = _audit(head, seed)
    told |= step({"audit": audit, "reason": reason})
    page = template.render(version=__version__, **told, **_told_of_samples(head, judged, audit))
    with written_aside(target) as file:
        file.write(page.encode())
    step({})
    return target


def _told_of_scores(head: Head, judged: Judged) -> dict[str, Any]:
    """What the head is, how good it is, and the pictures of that."""
    record, view = head.record, view_of(head.task)
    # computed anew, as heads of before intervals were stored have none
    clusters = clusters_of(judged.samples)
    metrics = scores_of(head.task, judged.probabilities, judged.targets, record.classes, clusters)
    return {
        "title": f"{record.name}: {record.kind} on {record.backbone}@{record.cut}, "
        f"{record.dataset}",
        "facts": _facts(head),
        "scores": _scores(head, judged, metrics),
        "untested": untested_text(metrics),
        "few": few_text(metrics),
        "few_groups": few_groups_text(metrics),
        "view": view,
        "table": view.table(judged, metrics, record.classes),
        "pictures": [(what, to_svg(draw(judged, record, ""))) for what, draw in view.pictures],
    }


def _told_of_samples(head: Head, judged: Judged, audit: Audit | None) -> dict[str, Any]:
    """The mistakes, the labels worth a look and the near duplicates, with what they look like."""
    look, view = _looker(head), view_of(head.task)
    missed = view.misses(judged, head.task, head.record.classes)
    pairs = zip(missed.rows[:SHOWN], missed.captions, strict=False)
    return {
        "mistakes": [look(judged.samples[row], caption) for row, caption in pairs],
        "wrong": len(missed),
        "suspects": _suspects(audit, view, look),
        "twins": _twins(audit, look),
    }


def _curve(head: Head) -> tuple[str, str]:
    """The learning curve, and what it is in words; why there is none, where there is none."""
    try:
        points = head.learning_curve()
    except NoCurve as error:
        return "", f"{str(error).rstrip('.')}."
    return to_svg(draw_learning_curve(points, "")), f"{band_text(points)}."


def mistakes(head: Head, count: int = SHOWN) -> tuple[list[np.ndarray | str], list[str], int]:
    """The mistakes on the test split of which the head is surest.

    Returns:
        What the samples look like, a caption of each (with its id where it is no picture), and how
        many mistakes there are in all.
    """
    judged = head.held_out()
    missed = view_of(head.task).misses(judged, head.task, head.record.classes)
    read = head.reader()
    samples = [judged.samples[row] for row in missed.rows[:count]]
    seen = [_see(read, one, 160) for one in samples]
    captions = [
        f"{one.id}: {caption}" if isinstance(look, str) else caption
        for one, look, caption in zip(samples, seen, missed.captions, strict=False)
    ]
    return seen, captions, len(missed)


def template_of(name: str) -> Any:
    """A template of this folder, made to show any text as it is.

    Raises:
        HeadError: Jinja2 is not installed.
    """
    try:
        made = html_environment()
    except ImportError:
        raise HeadError("Jinja2 is not installed", hint="pip install 'headstart[plot]'") from None
    text = resources.files("headstart.plots").joinpath(name).read_text(encoding="utf-8")
    return made.from_string(text)


def _draw_map(head: Head, seed: int) -> str:
    view, task = head.features(), head.task
    rows = some_rows(np.arange(len(view)), ON_THE_MAP, seed)
    samples = view.samples.take(rows)
    features, labels = view[rows], samples.labels
    targets, wrong = task.read(labels, head.record.classes), None
    if (is_wrong := view_of(task).wrong) is not None:
        wrong = is_wrong(task, head.judge.predict_proba(features), targets)
        wrong &= samples.split_codes == SPLITS.index("test")
    numbers = targets[:, 0] if isinstance(task, Regression) else None
    features = head.judge.embed(features)
    made = draw_map(features, labels, "", seed=seed, wrong=wrong, numbers=numbers)
    return _url("image/png", to_png(made))


def _audit(head: Head, seed: int) -> tuple[Audit | None, str]:
    record, task = head.record, view_of(head.task).judged(head.task)
    try:
        _, cut = head.origin()
        found = audit(
            head.context,
            f"{record.backbone}@{record.settings.get('head_cut', record.cut)}",
            record.dataset,
            precision=cut.precision,
            trying=CrossValidation(seed=seed, task=task or Classification()),
            labels=task is not None,
        )
    except (HeadError, FeaturesMissing) as error:  # a class of few samples, or those of the cut of
        # a fine-tuned head were deleted: all else can be told
        return None, error.message
    return found, "" if task is not None else NOT_JUDGED


def _looker(head: Head) -> Callable[[Sample, str], Shown]:
    read = head.reader()

    def look(sample: Sample, caption: str) -> Shown:
        seen = _see(read, sample)
        if isinstance(seen, str):
            return Shown(None, seen, sample.id, caption)
        return Shown(_url("image/png", _encode(seen)), "", sample.id, caption)

    return look


def _see(read: Callable[[Sample], Any], sample: Sample, side: int = 96) -> np.ndarray | str:
    """What a sample looks like, in a cell as large as all others; why it cannot be looked at, where
    its source has changed."""
    try:
        return cell(glance(read(sample), side), side)
    except (SampleChanged, SampleUnreadable) as error:
        return error.message


def _suspects(
    audit: Audit | None, view: TaskView, look: Callable[[Sample, str], Shown]
) -> list[Shown]:
    found = [] if audit is None else (audit.suspects or [])
    return [
        look(one.sample, view.suspect.format(label=one.sample.label, guess=one.guess))
        for one in found[:SHOWN]
    ]


def _twins(
    audit: Audit | None, look: Callable[[Sample, str], Shown]
) -> list[tuple[Shown, Shown, str]]:
    found = [] if audit is None else audit.twins
    return [
        (
            look(pair.first, f"{pair.first.label}, {pair.first.split}"),
            look(pair.second, f"{pair.second.label}, {pair.second.split}"),
            pair.evidence if pair.is_same_content else f"distance {pair.distance:.3f}",
        )
        for pair in found[:SHOWN]
    ]


def _facts(head: Head) -> list[tuple[str, Any]]:
    record = head.record
    blocks = head.blocks()
    sources = dict.fromkeys(one.backbone.source for one in blocks)
    digests = dict.fromkeys(one.backbone.artifact_digest for one in blocks)
    return [
        *_features(record, ", ".join(sources)),
        ("backbone's sha256", ", ".join(digests)),
        ("dataset", f"{record.dataset}, digest {record.dataset_digest}"),
        ("feature key", record.feature_key),
        ("head", f"{record.name}, version {record.version}, {record.kind}, seed {record.seed}"),
        *[("it came from", line) for line in [lineage_text(record)] if line],
        ("fitted on", fitted_text(record)),
        ("chosen on", chosen_text(record)),
        ("probabilities", calibration_text(record)),
        ("trained", str(record.created_at)[:16] if record.created_at else "-"),
        ("versions", ", ".join(f"{name} {number}" for name, number in record.versions.items())),
    ]


def _features(record: HeadRecord, sources: str) -> list[tuple[str, str]]:
    """What the head takes; `backbone@cut` of its record names all that is joined."""
    names = f"{record.backbone}@{record.cut}"
    if len(parts_of(names)) > 1:
        return [("features", names), ("backbones", sources)]
    return [("backbone", f"{record.backbone}, {sources}"), ("cut", record.cut)]


def _scores(head: Head, judged: Judged, metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and what is to be said of each score."""
    looks = head.looks
    balanced = balanced_text(head.record)
    lower = f"; lower is better{balanced and f'; {balanced}'}"
    notes = {"macro_f1": "; mean over the classes tested", **dict.fromkeys(OF_PROBABILITIES, lower)}
    rows = [
        (
            words_of(name),
            score_text(name, metrics[name]),
            f"95 %: {interval_text(metrics, name)}{notes.get(name, '')}",
        )
        for name in scores_in(metrics)
    ]
    return [
        *rows,
        view_of(head.task).chance(judged),
        (
            "held-out samples",
            f"{len(judged.targets):,}{groups_text(metrics)}",
            f"fitted on {fitted_text(head.record)}",
        ),
        ("heads scored on them", f"{looks.heads:,}", looks.to_text()),
    ]


def _encode(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
