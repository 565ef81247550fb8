"""`auto` in a fifth of the time that a full sweep of the same features and kinds takes."""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from made_sounds import RATE, listener, write_sounds
from material import emoji
from sklearn import datasets as tables
from timing import Section

import headstart as hs
from headstart.extractors.datasets import reader_of
from headstart.heads.evaluation.intervals import interval_text
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kinds.every_kind import KINDS
from headstart.jobs.auto.entrants import cuts_of
from headstart.jobs.auto.found import Auto
from headstart.jobs.auto.kinds import BESIDE_LINES
from headstart.jobs.auto.opened import of_numbers, open_entrant
from headstart.notices import HeadstartWarning
from sections.kinds import NAME_LENGTH, SOUNDS, names_of_countries
from sections.precisions import digits, news

SHARE = 5
"""A full sweep takes so many times as long as `auto` is given."""
ZOO = ("lite0", "lite1", "lite2")
"""The backbones of the zoo whose weights come in packages: what `auto photos` looks at."""
COLUMNS = (
    "dataset",
    ">samples",
    ">full sweep, s",
    ">given, s",
    ">auto, s",
    ">of it",
    ">of it, CPU",
    "best of the sweep",
    ">accuracy",
    "auto",
    ">accuracy",
    "within",
)


def section(folder: Path) -> Section:
    """A row for each data set that can be had here."""
    warnings.simplefilter("ignore", HeadstartWarning)
    rows = []
    for number, (name, backbones, make) in enumerate(_sets(folder)):
        if not number:
            _row(name, backbones, make)  # or imports would count for the first sweep
        rows.append(_row(name, backbones, make))
        print(rows[-1], file=sys.stderr, flush=True)
    return Section(
        "auto against a full sweep",
        "Both begin with nothing in the cache. The sweep computes the features of every cut that "
        "`auto` looks at, on all samples, and tries every kind with its grid by five folds; "
        "the best of it is trained. `auto` gets a fifth of the time that this took; where that is "
        "too short for all samples, it takes a part of them to train on, and its head is judged "
        "here on all of the test split. Of pictures "
        "both have the zoo's three backbones, with three cuts each. Accuracies are of the test "
        "split, which took part in neither choice; `of it` is the share of the sweep's seconds, by "
        "the clock and by the processor, with processes that were begun; `within`: whether that of "
        "`auto` is no lower than the interval of the other.",
        COLUMNS,
        rows,
    )


def _sets(folder: Path) -> Iterator[tuple[str, list[str], Any]]:
    """Name, backbones, and what makes a workspace with nothing in its cache."""
    loaders = ("iris", "wine", "breast_cancer", "digits")
    for name in loaders:
        data: Any = getattr(tables, f"load_{name}")()
        yield name, ["numbers"], _of_table(folder, name, data.data, data.target)
    data = tables.load_diabetes()
    thirds = np.digitize(data.target, np.quantile(data.target, (1 / 3, 2 / 3)))
    yield "diabetes, thirds", ["numbers"], _of_table(folder, "diabetes", data.data, thirds)
    x, y = tables.make_classification(
        3000, 40, n_informative=12, n_classes=4, n_clusters_per_class=3, random_state=0
    )
    yield "clusters", ["numbers"], _of_table(folder, "clusters", x, y)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 16))
    yield "xor", ["numbers"], _of_table(folder, "xor", x, x[:, 0] * x[:, 1] > 0)
    digits(folder / "pictures")

    def drawn(place: Path) -> hs.Workspace:
        ws = hs.init(place)
        for one in ZOO:
            ws.backbones.add(one, f"zoo:efficientnet-{one}")
        ws.datasets.add("drawn", folder / "pictures")
        return ws

    yield "drawn", [*ZOO], drawn

    def of_emoji(place: Path) -> hs.Workspace:
        ws = hs.init(place)
        emoji(ws, folder)
        for one in ZOO[1:]:
            ws.backbones.add(one, f"zoo:efficientnet-{one}")
        return ws

    yield "emoji", [*ZOO], of_emoji
    yield from _sounds_and_texts(folder)


def _sounds_and_texts(folder: Path) -> Iterator[tuple[str, list[str], Any]]:
    ears, sounds = listener(folder / "ears.keras"), write_sounds(folder / "sounds", SOUNDS)

    def of_sounds(place: Path) -> hs.Workspace:
        ws = hs.init(place)
        ws.backbones.add("ears", ears, preprocess=f"audio:{RATE}")
        ws.datasets.add("sounds", sounds)
        return ws

    yield "sounds", ["ears"], of_sounds
    found = news(folder)
    if found is None:
        return
    workspace, reference = found
    model = str(workspace.backbones.get("minilm").source)
    cut = reference.partition("@")[2]
    countries = names_of_countries(folder / "languages.csv")
    texts = workspace.datasets.get("news").source
    short = f"{model.partition('?')[0]}?sequence_length={NAME_LENGTH}"
    for name, source, taken in (("news", model, texts), ("languages", short, countries)):

        def of_texts(
            place: Path, name: str = name, source: str = source, taken: Any = taken
        ) -> hs.Workspace:
            ws = hs.init(place)
            ws.backbones.add("minilm", source)
            ws.datasets.add(name, taken)
            return ws

        yield name, [f"minilm@{cut}"], of_texts


def _of_table(folder: Path, name: str, x: np.ndarray, y: np.ndarray) -> Any:
    np.savez(folder / f"{name}.npz", x=x.astype(np.float32), y=np.asarray(y).astype(int))

    def make(place: Path) -> hs.Workspace:
        ws = hs.init(place)
        ws.datasets.add(name, folder / f"{name}.npz")
        return ws

    return make


def _row(name: str, backbones: list[str], make: Any) -> tuple[str, ...]:
    with_sweep, automatic = (_emptied(make, what) for what in ("sweep", "auto"))
    dataset = with_sweep.datasets.list()[0].name
    given = backbones
    if backbones == ["numbers"]:  # as `auto` would have it
        given = [_as_they_are(ws, dataset) for ws in (with_sweep, automatic)][:1]
    began, worked = time.monotonic(), _worked()
    swept = _full_sweep(with_sweep, dataset, given)
    head = with_sweep.heads.train_from_sweep("best", swept)
    whole, by_sweep = time.monotonic() - began, _worked() - worked
    worked = _worked()
    found = automatic.auto(dataset, given, minutes=whole / SHARE / 60)
    by_auto = _worked() - worked
    judged = _judged(found, automatic, with_sweep)
    best, own = head.metrics["accuracy"], judged["accuracy"]
    low = head.metrics["intervals"]["accuracy"][0]
    return (
        name,
        f"{head.metrics['n_train'] + head.metrics['n_validation'] + head.metrics['n_test']:,}",
        f"{whole:.1f}",
        f"{found.budget:.1f}",
        f"{found.seconds:.1f}",
        f"{found.seconds / whole:.2f}",
        f"{by_auto / by_sweep:.2f}",
        head.record.kind,
        f"{best:.3f} ({interval_text(head.metrics, 'accuracy')})",
        f"{found.chosen}: {found.head.kind}{_of_part(found)}",
        f"{own:.3f} ({interval_text(judged, 'accuracy')})",
        "yes" if own >= low else "no",
    )


def _of_part(found: Auto) -> str:
    """On how many samples, where there was no time for all."""
    return "" if found.taken is None else f" of {found.taken.samples:,} samples"


def _judged(found: Auto, automatic: hs.Workspace, with_sweep: hs.Workspace) -> dict[str, Any]:
    """Scores on all of the test split, whose features the other workspace has."""
    if found.taken is None:
        return found.head.metrics
    head = automatic.heads.get(found.head.name)
    view = with_sweep.features(f"{found.head.backbone}@{found.head.cut}", found.dataset)
    tested = view.split("test").labelled()
    targets = head.task.read(tested.labels, found.head.classes)
    said = head.judge.predict_proba(tested.to_numpy())
    return scores_of(head.task, said, targets, found.head.classes, None)


def _worked() -> float:
    """Seconds of the processor, of this process and of all that it began, whether they ended."""
    own = psutil.Process()
    times = [own.cpu_times()]
    for child in own.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times.append(child.cpu_times())
    return sum(sum(one[:4]) for one in times)


def _as_they_are(ws: hs.Workspace, dataset: str) -> str:
    """The backbone that gives rows of a table as they are, registered; its name."""
    raw = reader_of(ws.datasets.get(dataset))(ws.datasets.manifest(dataset).samples[0])
    return open_entrant(ws.context, of_numbers(len(raw)), "float32")[0].name


def _emptied(make: Any, what: str) -> hs.Workspace:
    return make(Path(tempfile.mkdtemp(prefix=f"{what}-")) / "zoo")


def _full_sweep(ws: hs.Workspace, dataset: str, backbones: list[str]) -> int:
    features = []
    for given in backbones:
        name, _, cut = given.partition("@")
        cuts = [cut] if cut else [one.name for one in cuts_of(ws.backbones.get(name))]
        ws.extract(f"{name}@{','.join(cuts)}", dataset)
        features += [f"{name}@{one}" for one in cuts]
    kinds = [
        one for name in ("linear", *BESIDE_LINES) for one in KINDS[name].grid({})
    ]  # of vectors
    sweep = ws.sweep(dataset, features, kinds)
    assert sweep.id is not None
    return sweep.id
