"""The seam of engines: what brings one.

A class for each engine; it is never made an instance of. To add one: a file like
`openvino_engine.py`, and a line in `providers.py`, or an entry point in the group
`headstart.engines`.

**Who calls what.** Before the first extraction of a trunk, `selection` asks each provider whether
there is a `problem`, looks for what it kept under `version` and `processor`, and else lets it
`convert` the trunk. The engine is run on some real samples; it may be used only if its features are
those of TensorFlow in float32 within `parity.TOLERANCES`, and `auto` takes the fastest. Its content
and facts are kept in the workspace, and every later process calls `load` and nothing else.

**What may be assumed.** `convert` is called in a process that has loaded TensorFlow; `load` in one
that has not, and must not. Batches are finished if `Trunk.arithmetic` is None; else they are uint8
pixels, and the arithmetic is the engine's to do.

**Threads.** All methods are called from one thread; the engine's `run` from as many at once as it
has `lanes`.

**Errors.** `convert` may raise whatever it likes: it is said in one line, and another engine runs
the trunk. A step of it that can take for ever is run by `trial.guard`. `load` is given only what
`convert` gave on this kind of processor with this version; what it raises ends the extraction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from headstart.extractors.engines.engine import Engine
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.watchdog import Guard


@dataclass(frozen=True)
class Trunk:
    """A backbone up to its cuts.

    Attributes:
        function: a TensorFlow `ConcreteFunction` of its inputs, in float32.
        names: the backbone's names of its inputs, in order.
        limits: for inputs that are row numbers of a table, how many rows it has.
        arithmetic: what an image's pixels go through before the trunk.
        build: gives TensorFlow's engine in a precision, which takes finished batches.
    """

    function: Any
    names: Sequence[str]
    limits: Mapping[str, int]
    arithmetic: Affine | None
    build: Callable[[str], Engine]


class Trial(Protocol):
    """What an engine is wanted for, and how it is timed.

    Attributes:
        precision: one of `PRECISIONS`.
        call_size: samples a call, where that is fixed.
        guard: `guard(words, work)` runs what could take for ever.
    """

    @property
    def precision(self) -> str: ...

    @property
    def call_size(self) -> int | None: ...

    @property
    def guard(self) -> Guard: ...

    def time(self, engine: Engine, least: int = 1) -> float:
        """Samples a second on the first real samples, calls of at least so many."""
        ...


@dataclass(frozen=True)
class Converted:
    """A trunk as an engine runs it.

    Attributes:
        engine: ready to run.
        per_second: samples, as `Trial.time` gave it.
        content: from which `load` makes the engine again; None if it cannot be kept, so that every
            process converts anew.
        facts: what `load` has to know besides, JSON values; `problem`, `check` and `arriving` are
            taken.
    """

    engine: Engine
    per_second: float
    content: bytes | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class EngineProvider(Protocol):
    """Brings an engine; see the module.

    Attributes:
        name: of the engine, recorded with every shard.
        preference: engines are tried from the largest down; of two equally fast the first is taken.
        install: what to do where it is not here, such as "pip install 'headstart[cpu]'".
    """

    name: ClassVar[str]
    preference: ClassVar[int]
    install: ClassVar[str]

    @staticmethod
    def problem() -> str:
        """Why it cannot be used here, such as "is not installed"; empty if it can. Cheap."""
        ...

    @staticmethod
    def version() -> str:
        """Of its library: recorded with every shard; another one converts anew."""
        ...

    @staticmethod
    def processor() -> str:
        """What it computes on: what was checked on one is not believed on another."""
        ...

    @staticmethod
    def on_gpu() -> bool:
        """Whether it computes on a GPU here: where TensorFlow does, no other engine is tried."""
        ...

    @staticmethod
    def caveats(precision: str) -> Sequence[str]:
        """What a user should know of a precision on this processor."""
        ...

    @staticmethod
    def convert(trunk: Trunk, trial: Trial) -> Converted:
        """The trunk as a fast engine in the precision and size of calls of the trial."""
        ...

    @staticmethod
    def load(content: bytes, facts: Mapping[str, Any], precision: str) -> Engine:
        """The engine again, from what `convert` gave."""
        ...
