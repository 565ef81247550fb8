"""What is said of the best of a sweep: what it is worth, what is simpler, how it was confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from headstart.jobs.heads.sweep import Sweep, Trial
    from headstart.workspace import Workspace


def winner_text(winner: Any) -> str:
    """The best score as it was measured, and corrected for the choice; empty where there is none.

    Args:
        winner: a `Winner`, or what its `to_json` gave; None where nothing can be said.
    """
    from headstart.heads.evaluation.intervals import score_text
    from headstart.heads.evaluation.provenance import words_of

    if winner is None:
        return ""
    facts = winner if isinstance(winner, dict) else winner.to_json()
    name = facts["objective"]

    def told(score: str, interval: str) -> str:
        ends = facts[interval]
        value = score_text(name, facts[score])
        if ends is None:
            return f"{value} (no interval)"
        return f"{value} (95 %: {' to '.join(score_text(name, end) for end in ends)})"

    words = words_of(name)
    if facts["candidates"] < 2:
        return ""
    return (
        f"Best of {facts['candidates']:,}: {words} {told('raw', 'interval')} as measured; "
        f"{told('corrected', 'corrected_interval')} corrected for the luck of the choice "
        f"({facts['procedure']})."
    )


def simplest_text(sweep: Sweep, words: str) -> str:
    """The simplest setting within one standard error of the best.

    Args:
        sweep: which.
        words: what the setting is.
    """
    from headstart.heads.evaluation.provenance import words_of
    from headstart.heads.trials.objective import objectives_of

    best, chosen = sweep.trials[0], sweep.simplest
    if chosen is best:
        return f"No simpler setting is within one standard error of the best one, {words}."
    scores = chosen.metrics
    told = [f"{words_of(name)} {scores[name]:.3f}" for name in objectives_of(chosen.task)]
    return (
        f"The simplest within one standard error of the best: {words} on {chosen.features}, "
        f"{', '.join(told)}."
    )


def check_confirm(
    workspace: Workspace, name: str, dataset: str, shots: int | None, option: str = "--confirm"
) -> None:
    """See that a winner can be confirmed, before anything is extracted or fitted.

    Raises:
        RegistryError: the head cannot have such a name.
        HeadError: a head of another dataset has it, and whoever uses that would get this one.
        click.UsageError: it was tried on few samples, and would be trained on all.
    """
    from headstart.errors import HeadError
    from headstart.jobs.datasets.named import dataset_named
    from headstart.jobs.heads.train import find_of_other
    from headstart.registry.names import check_name

    if shots is not None:
        raise click.UsageError(
            f"{option} trains on all samples, and --shots tries heads on few; leave one out."
        )
    check_name(name, "head")
    dataset = dataset_named(workspace.context, dataset, looks=False)
    if other := find_of_other(workspace.context, name, dataset):
        raise HeadError(
            f"head {name!r} is of dataset {other.dataset!r}, and the sweep of {dataset!r}",
            hint=f"Give {option} another name: whoever uses that head would get this one.",
        )


def confirmed(workspace: Workspace, sweep: Sweep, trial: Trial, name: str, precision: str) -> Any:
    """The head of a trial's setting, trained and scored once on the test split."""
    features = workspace.features(trial.blocks.reference, sweep.dataset, precision=precision)
    trying = sweep.trying
    names = ("seed", "task", "windows", "ignore_weights")
    how: dict[str, Any] = {name: getattr(trying, name) for name in names}
    return workspace.heads.train(name, features, trial.kind, **how)


def confirmed_text(head: Any) -> str:
    """What a confirmed head has on the test split, and what that is."""
    from headstart.heads.evaluation.provenance import scored_text

    record, looks = head.record, head.looks
    line = (
        f"Confirmed: {record.name}:{record.version} has {scored_text(record)}, which took no part "
        "in the sweep"
    )
    if looks.heads < 2:
        return f"{line}: what this one head is worth."
    return f"{line}. It is the {looks.to_text()}."


def ensemble_text(head: Any) -> str:
    """What an ensemble has on the test split, and how it compares with the best member."""
    from headstart.heads.combined.words import compared_text, members_text
    from headstart.heads.evaluation.provenance import scored_text

    record = head.record
    return (
        f"Ensemble: {record.name}:{record.version}, {members_text(record)}, has "
        f"{scored_text(record)}, which took no part in the choice; "
        f"{compared_text(record)}."
    )
