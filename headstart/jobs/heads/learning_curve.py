"""`head.learning_curve`: how good such a head is with fewer samples to train on."""

from __future__ import annotations

from headstart.heads.kind import learns_of_samples, takes_class_names
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.models.curves import DRAWS, NoCurve, ScorePoint
from headstart.heads.models.learning_curves import CurvePoint
from headstart.heads.models.learning_curves import learning_curve as draw
from headstart.heads.models.score_curves import score_curve
from headstart.heads.tasks import Classification
from headstart.progress import Progress, silent
from headstart.storage.windowed.pooled import EACH
from headstart.trained_head import TrainedHead
from headstart.values.showable import Results


def learning_curve(
    head: TrainedHead, progress: Progress = silent, draws: int = DRAWS
) -> Results[CurvePoint] | Results[ScorePoint]:
    """See `Head.learning_curve`.

    Raises:
        NoCurve: there is none.
    """
    check_curve(head)
    record, task = head.record, head.task
    kind = kind_of(record.kind, record.settings)
    if isinstance(task, Classification):
        return Results(draw(head.features(), kind, record.seed, task, progress, draws))
    return Results(score_curve(head.features(), kind, record.seed, task, progress, draws))


def check_curve(head: TrainedHead) -> None:
    """See that a head may have a learning curve; whether its samples allow one is seen as it is
    drawn.

    Raises:
        NoCurve: it has none, whatever its samples.
    """
    record = head.record
    if head.is_tuned:
        raise NoCurve(
            f"head {record.name!r} was fine-tuned, and has no learning curve of its own",
            hint=f"Draw that of the head it came from, {record.settings['parent']}.",
        )
    if head.is_of_several:
        what = "an ensemble" if head.is_ensemble else "bagged"
        raise NoCurve(
            f"head {record.name!r} is {what}, and has no learning curve of its own",
            hint="Draw that of a head of one of its members' settings, as `head show` lists them.",
        )
    if head.windows.get("pooled") == EACH:
        raise NoCurve(
            f"head {record.name!r} was trained on each window, whose rows are no samples",
            hint="Train it on the mean of a sample's windows to draw its learning curve.",
        )
    kind = kind_of(record.kind, record.settings)
    if takes_class_names(kind):
        why = "takes names of classes" if learns_of_samples(kind) else "learns nothing of samples"
        raise NoCurve(
            f"head {record.name!r} is of kind {record.kind}, which {why}: it has no learning curve",
            hint="Draw that of a head of another kind.",
        )
