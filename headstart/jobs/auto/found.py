"""What a search found, tried and left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import InvalidHeadSetting
from headstart.extractors.run.settings import check_precision
from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.provenance import MAIN_SCORES
from headstart.heads.kinds.every_kind import KINDS, able_kinds
from headstart.heads.tasks import Classification, Task, one_task
from headstart.jobs.auto.costs import Cost
from headstart.registry.entities import Head
from headstart.values.options import Options
from headstart.values.showable import Showable

DEFAULT, SINGLE, ENSEMBLE = "default", "single", "ensemble"
"""What was chosen."""
MINUTES = 5.0


@dataclass(frozen=True)
class Wanted(Options, error=InvalidHeadSetting):
    """How to search.

    Attributes:
        minutes: that it may take.
        name: of the head; that of the dataset without it.
        folds: on which heads are tried.
        limit: of so many samples at most.
        seed: of all random choices.
        precision: in what backbones compute.
        download: whether weights of the zoo may be fetched.
        on_error: what to do about a sample that cannot be read, `fail` or `skip`.
        output: where the chosen head is saved, attached to its backbone; see `Head.attach`.
        kinds: names of the kinds of heads that are tried behind the default; all without them.
        overwrite: whether `output` may be there.
        task: what labels mean, a task or its name; by the labels without it.
    """

    minutes: float = MINUTES
    name: str | None = None
    folds: int = 5
    limit: int = 20_000
    seed: int = 0
    precision: str = "float32"
    download: bool = False
    on_error: str = "fail"
    output: Path | None = None
    kinds: tuple[str, ...] = ()
    overwrite: bool = False
    task: Task | None = None

    def __post_init__(self) -> None:
        is_number = isinstance(self.minutes, float | int)  # of nan `super` says another thing
        if is_number and not 0 < self.minutes <= 60 * 24 * 7:
            raise InvalidHeadSetting(
                f"minutes is {self.minutes:g}", hint="Give a number above 0, a week at most."
            )
        super().__post_init__()
        check_precision(self.precision)
        object.__setattr__(self, "task", one_task(self.task))
        self._check_kinds()

    def _check_kinds(self) -> None:
        """See that kinds can do the task; where it is not known yet, that there are such."""
        task = self.task or Classification()
        for kind in self.kinds:
            is_able = kind in KINDS and (self.task is None or task.name in KINDS[kind].tasks)
            if not is_able:
                of = "" if self.task is None else f", and the task {task.name}"
                raise InvalidHeadSetting(
                    f"kind is {kind!r}{of}", hint=f"Give {able_kinds(task.name)}."
                )


class Scored(Showable):
    """What was tried on folds, by which heads of the task are compared.

    Attributes:
        scores: by name, the first is what is decided by.
        intervals: of these, 95 %; None of a single group.
    """

    scores: dict[str, float]
    intervals: dict[str, Interval | None]

    def _facts(self) -> dict[str, Any]:
        return {
            **super()._facts(),
            "accuracy": self.scores.get("accuracy"),
            "interval": self.intervals.get("accuracy"),
        }


@dataclass(frozen=True)
class Attempt(Scored):
    """The best of the heads of one kind that were tried on some features.

    Attributes:
        features: `BACKBONE@CUT`, joined by ` + `.
        head: kind and settings, in words.
        rows: samples that it was tried on.
        scores: see `Scored`.
        intervals: likewise.
        heads: fitted, of all settings and folds.
        seconds: that the fits took.
        verdict: what became of it: why it was dropped, if it was.
    """

    features: str
    head: str
    rows: int
    scores: dict[str, float]
    intervals: dict[str, Interval | None]
    heads: int
    seconds: float
    verdict: str = ""

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "log_loss": self.scores.get("log_loss")}


@dataclass(frozen=True)
class Dropped(Showable):
    """Something that was not tried, or not to its end.

    Attributes:
        what: a backbone, features, or a head on features.
        why: in words.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Side(Scored):
    """A way that could be chosen, and what it gave on folds.

    Attributes:
        what: `default`, `single` or `ensemble`.
        features: that it takes; several are joined by ` + `.
        head: in words.
        scores: on the same folds as the others; see `Scored`.
        intervals: likewise.
    """

    what: str
    features: str
    head: str
    scores: dict[str, float]
    intervals: dict[str, Interval | None]


@dataclass(frozen=True)
class Taken(Showable):
    """Samples that were taken, where there was no time for the features of all.

    Attributes:
        samples: with a label, of each class and split a share.
        of: all of these.
        least: of each class in each split at least, as far as there are.
        seconds: that the features of the others take about.
        minutes: with which all would be taken, and there would be time for trials.
    """

    samples: int
    of: int
    least: int
    seconds: float
    minutes: float

    @property
    def text(self) -> str:
        return (
            f"{self.samples:,} of {self.of:,} samples were taken, of each class and split a share: "
            f"the features of the others take about {_in_minutes(self.seconds)} more. All are "
            f"taken with --minutes {self.minutes:g}, or after `headstart extract`"
        )


def _in_minutes(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 60 else f"{seconds / 60:,.1f} minutes"


@dataclass(frozen=True)
class Auto(Showable):
    """A head that was found for a dataset in a given time.

    Attributes:
        dataset: its name.
        task: what its labels mean, by name.
        samples: that heads were tried on, by folds of the train and validation splits.
        chosen: which of the sides was trained: `default`, `single` or `ensemble`.
        why: in a line.
        sides: the default, the best head alone, and the ensemble, as far as there are these.
        head: that was trained, scored once on the test split.
        looks: how many heads were scored on that split so far, this one included.
        sweep: number of the sweep that holds what was tried on all samples.
        tried: in order.
        dropped: likewise.
        costs: of each backbone.
        budget: seconds that were given.
        seconds: that it took.
        interrupted: whether somebody ended the search; what was best until then was chosen.
        file: the attached model; None where none was asked for.
        page: what was tried, as HTML; None where it was not written.
        max_abs_diff: of what that model says from the cached features' path; None without one.
        taken: the samples that were taken, where there was no time for all; None where all were.
    """

    dataset: str
    task: str
    samples: int
    chosen: str
    why: str
    sides: list[Side]
    head: Head
    looks: int
    sweep: int | None
    tried: list[Attempt]
    dropped: list[Dropped]
    costs: list[Cost]
    budget: float
    seconds: float
    interrupted: bool = False
    file: Path | None = None
    page: Path | None = None
    max_abs_diff: float | None = None
    taken: Taken | None = None

    def _line(self) -> str:
        name = next(one for one in MAIN_SCORES if one in self.head.metrics)
        told = f"{self.chosen} on {self.dataset!r}, {name} {self.head.metrics[name]:.3f}"
        return f"{told}, {len(self.tried):,} tried in {self.seconds:.0f} s"

    @property
    def objective(self) -> str:
        """The name of the score by which heads were compared."""
        return next(iter(self.tried[0].scores))

    def _facts(self) -> dict[str, Any]:
        told = {**super()._facts(), "objective": self.objective}
        return {**told, "heads": sum(one.heads for one in self.tried)}
