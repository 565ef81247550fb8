"""The seam of engines: what brings one.

A class for each engine; it is never made an instance of. To add one: a file like
`openvino_engine.py`, and a line in `providers.py`, or an entry point in the group
`headstart.engines`.

**Who calls what.** When a backbone is registered, and before the first extraction of a trunk that
was not converted then, `selection` asks each provider whether there is a `problem`, looks for what
it kept under `version` and `processor`, and else lets it `convert` the trunk. The engine is run on
seeded or on real samples; it may be used only if its features are those of TensorFlow in float32
within `parity.TOLERANCES`, and `auto` takes the one that is preferred, unless another is faster
beyond doubt. Its content and facts are kept in the workspace, and later processes `load` it.

A provider that has files of its own format, good for any processor, gives them as `files` and has a
`compile` (`CompilingProvider`): only such trunks are converted when a backbone is registered, and
another processor or precision then needs no TensorFlow.

**What may be assumed.** `convert` is called in a process that has loaded TensorFlow; `load` and
`compile` in one that has not, and must not. Batches are finished if `Trunk.arithmetic` is None;
else they are uint8 pixels, and the arithmetic is the engine's to do.

**Threads.** All methods are called from one thread; the engine's `run` from as many at once as it
has `lanes`.

**Errors.** `convert` may raise whatever it likes: it is said in one line, and another engine runs
the trunk. A step of it that can take for ever is run by `trial.guard`. `load` is given only what
`convert` or `compile` gave on this kind of processor with this version, `compile` only files that
`convert` gave with this version: what they raise is said, and the trunk is converted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

from headstart.extractors.engines.engine import Engine
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
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
        content: from which `load` makes the engine again; None if it cannot be kept, so that every
            process converts anew.
        facts: what `load` and `compile` have to know besides, JSON values; `problem`, `check` and
            `arriving` are taken.
        files: of the engine's own format by name, from which `compile` makes the engine on any
            processor, in any precision; none where there is no such format.
        export: gives the content, where making that takes time; called once, maybe by a thread of
            its own while the engine runs.
    """

    engine: Engine
    content: bytes | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    export: Callable[[], bytes] | None = None


class EngineProvider(Protocol):
    """Brings an engine; see the module.

    Attributes:
        name: of the engine, recorded with every shard.
        preference: engines are tried from the largest down, the reference has 0; a less preferred
            one is taken only if it is faster beyond doubt (`race`).
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


class CompilingProvider(EngineProvider, Protocol):
    """A provider whose converted trunks are good for any processor; see the module."""

    @staticmethod
    def compile(files: Mapping[str, bytes], facts: Mapping[str, Any], trial: Trial) -> Converted:
        """The engine in the precision of the trial, from `Converted.files` and `facts`.

        It is not timed: `trial` has no samples.
        """
        ...


class QuantizingProvider(CompilingProvider, Protocol):
    """A provider that makes a trunk in int8 of a converted one; `compile` takes that as well.

    Attributes:
        quantizer_install: what to do where what it needs for that is not here.
    """

    quantizer_install: ClassVar[str]

    @staticmethod
    def quantizer_problem() -> str:
        """Why it cannot quantize here, such as "NNCF is not installed"; empty if it can. Cheap."""
        ...

    @staticmethod
    def quantizer_versions() -> Mapping[str, str]:
        """Of what quantizes, by name: kept with the calibration."""
        ...

    @staticmethod
    def quantize(
        files: Mapping[str, bytes],
        facts: Mapping[str, Any],
        samples: Batch,
        tick: Callable[[], None],
    ) -> dict[str, bytes]:
        """A trunk in int8, as files like `Converted.files`; the same bytes for the same samples.

        Args:
            files: of the trunk in float32, from `convert`.
            facts: likewise.
            samples: by which it is calibrated, as the engine takes them.
            tick: called whenever one was looked at.
        """
        ...


def quantizing(provider: type[EngineProvider]) -> type[QuantizingProvider] | None:
    """The provider as one that quantizes; None if it does not."""
    return cast("type[QuantizingProvider]", provider) if hasattr(provider, "quantize") else None


def compiling(provider: type[EngineProvider]) -> type[CompilingProvider] | None:
    """The provider as one that compiles; None if it does not."""
    return cast("type[CompilingProvider]", provider) if hasattr(provider, "compile") else None
