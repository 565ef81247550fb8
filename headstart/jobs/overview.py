"""A workspace at a glance: what is here, what runs, what is wrong, what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.context import Context
from headstart.jobs.doctor import Check, examine_workspace
from headstart.jobs.features.job_progress import JobProgress, lost_text
from headstart.jobs.features.jobs import find_jobs
from headstart.registry import listing
from headstart.registry.jobs import FAILED, RUNNING
from headstart.values.showable import Results, Showable

RECENT = 10
"""Jobs that are looked at, the newest."""


@dataclass(frozen=True)
class Step(Showable):
    """Something to do next, and the command that does it."""

    words: str
    command: str


@dataclass(frozen=True)
class Overview(Showable):
    """A workspace at a glance.

    Attributes:
        backbones: how many names.
        datasets: how many.
        samples: of all datasets.
        sets: feature sets that are stored.
        rows: of them.
        bytes: of their shards.
        heads: how many names.
        sweeps: how many are kept.
        jobs: the newest, each as far as it is now.
        wrong: what somebody should look at; empty where all is well.
        steps: what to do next, while one of the first steps has not been done.
    """

    backbones: int
    datasets: int
    samples: int
    sets: int
    rows: int
    bytes: int
    heads: int
    sweeps: int
    jobs: Results[JobProgress]
    wrong: Results[Check]
    steps: Results[Step]

    @property
    def running(self) -> list[JobProgress]:
        """The jobs at which somebody works now."""
        return [one for one in self.jobs if one.state == RUNNING]


def overview(context: Context) -> Overview:
    """Look at a workspace.

    Args:
        context: of it.
    """
    config = context.config
    backbones, datasets = listing.backbones(config), listing.datasets(config)
    features, heads = listing.features(config), listing.heads(config)
    jobs = find_jobs(context, RECENT)
    return Overview(
        backbones=_names(backbones),
        datasets=len(datasets),
        samples=sum(row["samples"] for row in datasets),
        sets=len(features),
        rows=sum(row["rows"] for row in features),
        bytes=sum(row["size"] for row in features),
        heads=_names(heads),
        sweeps=len(listing.sweeps(config)),
        jobs=jobs,
        wrong=Results([*_wrong(context), *_failed(jobs), *_void(heads)]),
        steps=_steps(backbones, datasets, features, heads),
    )


def _names(rows: listing.Rows) -> int:
    return len({row["name"] for row in rows})


def _wrong(context: Context) -> list[Check]:
    return [check for check in examine_workspace(context.config.root) if not check.ok]


def _failed(jobs: Results[JobProgress]) -> list[Check]:
    """Jobs that failed or were lost, and samples of others that failed."""
    found = list[Check]()
    for one in jobs:
        if one.state == FAILED:
            found.append(Check(f"job {one.job.id}", one.job.error or "it failed", False))
        elif one.failed:
            said = f"{one.failed:,} samples could not be computed"
            found.append(Check(f"job {one.job.id}", said, False))
        if one.is_lost:
            found.append(Check(f"job {one.job.id}", lost_text(one), False))
    return found


def _void(heads: listing.Rows) -> list[Check]:
    said = "its dataset was dealt to other splits since: its scores no longer hold"
    return [
        Check(f"head {row['name']}:{row['version']}", said, False) for row in heads if row["void"]
    ]


def _steps(
    backbones: listing.Rows, datasets: listing.Rows, features: listing.Rows, heads: listing.Rows
) -> Results[Step]:
    """The first things to do that have not been done; none where all have."""
    backbone = backbones[0]["name"] if backbones else "lite0"
    dataset = datasets[0]["name"] if datasets else "photos"
    steps = (
        (
            backbones,
            "Add a pretrained backbone",
            "headstart backbone add lite0 zoo:efficientnet-lite0",
        ),
        (
            datasets,
            "Add a dataset: a folder with a folder for each class",
            "headstart dataset add photos FOLDER",
        ),
        (features, "Compute its features, once", f"headstart extract {backbone} {dataset}"),
        (heads, "Train a head on them", f"headstart head train first {backbone} {dataset}"),
    )
    return Results(Step(words, command) for there, words, command in steps if not there)
