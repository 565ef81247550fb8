"""`head.retrain`: a head's next version, of the same settings, on its dataset as it is now."""

from __future__ import annotations

from headstart.cached import features_of
from headstart.errors import HeadError
from headstart.heads.kinds.every_kind import kind_of
from headstart.jobs.heads.combined.ensemble import fit_again
from headstart.jobs.heads.train import fit
from headstart.progress import Progress, silent
from headstart.trained_head import TrainedHead


def retrain(
    head: TrainedHead, name: str | None = None, *, progress: Progress = silent
) -> TrainedHead:
    """See `Head.retrain`. `progress` may raise: nothing is registered then."""
    record = head.record
    if head.is_tuned:
        raise HeadError(
            f"head {record.name!r} was fine-tuned from {record.settings['parent']!r}",
            hint="Train that one again, then `headstart head finetune` it.",
        )
    if head.is_ensemble:
        return fit_again(head, name, progress)
    blocks = head.blocks()
    features = features_of(head.context, blocks.reference, record.dataset, blocks.precision)
    features = features.unweighted() if head.ignores_weights else features
    kind = kind_of(record.kind, record.settings)
    progress(0, 1)
    fitted = fit(
        head.context,
        name or record.name,
        features,
        kind,
        seed=record.seed,
        task=head.task,
        views=record.settings.get("views", 0),
        windows=head.windows.get("pooled"),
    )
    progress(1, 1)
    return fitted.register()
