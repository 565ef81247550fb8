"""What a search found, tried and left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import InvalidHeadSetting
from headstart.extractors.run.settings import check_precision
from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.kinds.every_kind import KINDS, able_kinds
from headstart.heads.tasks import Classification
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

    def __post_init__(self) -> None:
        is_number = isinstance(self.minutes, float | int)  # of nan `super` says another thing
        if is_number and not 0 < self.minutes <= 60 * 24 * 7:
            raise InvalidHeadSetting(
                f"minutes is {self.minutes:g}", hint="Give a number above 0, a week at most."
            )
        super().__post_init__()
        check_precision(self.precision)
        for kind in self.kinds:
            if kind not in KINDS or Classification.name not in KINDS[kind].tasks:
                raise InvalidHeadSetting(
                    f"kind is {kind!r}", hint=f"Give {able_kinds(Classification.name)}."
                )


@dataclass(frozen=True)
class Attempt(Showable):
    """The best of the heads of one kind that were tried on some features.

    Attributes:
        features: `BACKBONE@CUT`, joined by ` + `.
        head: kind and settings, in words.
        rows: samples that it was tried on.
        accuracy: on folds.
        interval: of that.
        log_loss: likewise on folds.
        heads: fitted, of all settings and folds.
        seconds: that the fits took.
        verdict: what became of it: why it was dropped, if it was.
    """

    features: str
    head: str
    rows: int
    accuracy: float
    interval: Interval
    log_loss: float
    heads: int
    seconds: float
    verdict: str = ""


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
class Side(Showable):
    """A way that could be chosen, and what it gave on folds.

    Attributes:
        what: `default`, `single` or `ensemble`.
        features: that it takes; several are joined by ` + `.
        head: in words.
        accuracy: on the same folds as the others.
        interval: of that.
    """

    what: str
    features: str
    head: str
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Auto(Showable):
    """A head that was found for a dataset in a given time.

    Attributes:
        dataset: its name.
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
    """

    dataset: str
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

    def _line(self) -> str:
        accuracy = self.head.metrics["accuracy"]
        told = f"{self.chosen} on {self.dataset!r}, accuracy {accuracy:.3f}"
        return f"{told}, {len(self.tried):,} tried in {self.seconds:.0f} s"

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "heads": sum(one.heads for one in self.tried)}
