"""Training a head as a job; see `Heads.train`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from headstart.cached import features_of, unweighted
from headstart.context import Context
from headstart.heads.combined.bagged import Bagged
from headstart.heads.kind import HeadKind, takes_class_names
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.tasks import Task, task_of
from headstart.jobs.backbones.text_tower import get_text_tower
from headstart.jobs.heads.train import fit
from headstart.jobs.tasks.planned import pinned
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.registry.names import check_name
from headstart.registry.references import label_of, parts_of


@dataclass(frozen=True)
class TrainTask:
    """On some features of a dataset, in the usual way or as it says; gives the `head`.

    Attributes:
        name: of the head.
        features: `BACKBONE:VERSION@CUT`, which stays whatever is added while the job waits.
        dataset: its name.
        head: the kind and its settings, as `HeadKind.describe` gives them; empty for the usual.
        task: as `Task.describe` gives it; empty for a classification.
        seed: of everything that chance decides.
        precision: in what the features were computed.
        views: augmented views that it is trained on as well.
        windows: what a sample is of its windows.
        ignore_weights: whether all samples count alike.
        tags: of the head.
    """

    kind: ClassVar[str] = "train"
    name: str
    features: str
    dataset: str
    head: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    precision: str = "float32"
    views: int = 0
    windows: str | None = None
    ignore_weights: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"train {self.name} on {label_of(self.features)}"

    @classmethod
    def of(
        cls,
        context: Context,
        name: str,
        features: str,
        dataset: str,
        head: HeadKind | Bagged | None = None,
        task: Task | None = None,
        **more: Any,
    ) -> TrainTask:
        """With the version of each backbone that the features, and the head, mean now.

        Raises:
            BackboneError: the head takes names of classes, and no text backbone shares their space.
        """
        features = pinned(context, features)
        what = {} if task is None else task.describe()
        return cls(name, features, dataset, _described(context, head, features), what, **more)

    def check(self, context: Context) -> None:
        check_name(self.name, "head")
        for view in range(self.views + 1):
            features_of(context, self.features, self.dataset, self.precision, view)

    def run(self, context: Context, progress: Progress) -> Outcome:
        view = features_of(context, self.features, self.dataset, self.precision)
        progress(0, 1)
        fitted = fit(
            context,
            self.name,
            unweighted(view) if self.ignore_weights else view,
            kind_of(self.head["kind"], self.head) if self.head else None,
            seed=self.seed,
            task=task_of(self.task) if self.task else None,
            views=self.views,
            windows=self.windows,
        )
        progress(1, 1)
        record = fitted.register(self.tags).record  # at once: who dies between them begins again
        return Outcome({"head": f"{record.name}:{record.version}"})


def _described(context: Context, head: HeadKind | Bagged | None, features: str) -> dict[str, Any]:
    """The kind and its settings, for `kind_of`: with the text backbone that it means now."""
    if head is None:
        return {}
    how = {"kind": head.kind, **head.describe()}
    parts = parts_of(features)
    if (
        isinstance(head, Bagged) or not takes_class_names(head) or len(parts) > 1
    ):  # `fit` refuses joined features
        return how
    backbone, _ = context.resolve(parts[0])
    tower = get_text_tower(context, backbone, how["text_backbone"] or None)
    return how | {"text_backbone": tower.reference}
