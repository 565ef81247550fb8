"""What a task is: long work that is no extraction, planned as a job and done by one worker."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

from headstart.context import Context
from headstart.errors import ArtifactDamaged
from headstart.progress import Progress
from headstart.registry.jobs import Job
from headstart.values.showable import spelled


@dataclass(frozen=True)
class Outcome:
    """What a task gave.

    Attributes:
        facts: a few values, which the job's row keeps.
        document: JSON values, which a file keeps; None for none.
    """

    facts: dict[str, Any]
    document: Any = None


@runtime_checkable
class Task(Protocol):
    """A frozen dataclass whose fields are plain values: they are the plan of its job.

    One worker does it as a whole: `run` is called in any process that has the workspace open, and
    from its beginning again where the one before died. It calls `progress` every now and then,
    which raises where the job was cancelled, and at the end where the dataset changed meanwhile:
    nothing is registered behind that. So the end is told before something is registered.

    Attributes:
        kind: of the jobs; it is stored with them for ever.
        dataset: on which.
    """

    kind: ClassVar[str]

    @property
    def dataset(self) -> str: ...

    @property
    def subject(self) -> str:
        """What is done, in words."""
        ...

    def check(self, context: Context) -> None:
        """Raise what can be known to be wrong before anything is computed."""
        ...

    def run(self, context: Context, progress: Progress) -> Outcome: ...


def plan_of(task: Task) -> dict[str, Any]:
    """The plan of its job, as JSON has it; without what is as it would be without a word, so that
    an option that is new changes no plan of before."""
    usual = {one.name: _usual(one) for one in fields(task)}  # type: ignore[arg-type]
    told = asdict(task)  # type: ignore[call-overload]
    return {
        name: json.loads(json.dumps(value)) for name, value in told.items() if value != usual[name]
    }


def _usual(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def packed(document: Any) -> bytes:
    """A document as it is kept."""
    return json.dumps(spelled(document), allow_nan=False, ensure_ascii=False).encode()


def document_of(context: Context, job: Job) -> Any:
    """The document that a task gave.

    Raises:
        ArtifactDamaged: its file is gone, or is not what was kept.
    """
    try:
        return json.loads(context.artifacts.read((job.result or {})["document"]))
    except ArtifactDamaged as error:
        raise ArtifactDamaged(
            error.message, hint=f"`headstart job retry {job.id}` has it made again."
        ) from error
