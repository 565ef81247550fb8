"""OpenVINO: the fastest engine on the CPUs we know."""

from __future__ import annotations

import importlib.util
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from headstart.extractors.engines.engine import (
    INT8,
    Engine,
    in_order,
    kind_of,
    refuse_unknown_rows,
)
from headstart.extractors.engines.int8 import quantization
from headstart.extractors.engines.openvino_package import openvino_package
from headstart.extractors.engines.provider import Converted, Trial, Trunk
from headstart.extractors.engines.signature import Signature
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.runtime import cores
from headstart.storage.scratch import scratch_folder
from headstart.values.installed import version_of

CALL_SIZE = 4
LONG_CALLS, SHORT_CALLS = (2,), (32, 256)
"""Samples a call: convolutions like small calls, which stay in the caches, small models like large
ones. Images a second on two AVX-512 cores at 1, 2, 4, 8 samples a call, by EfficientNet-Lite0: 210,
221, 191, 184 in float32 and 327, 354, 369, 339 in bfloat16. So the first is tried, and then those
that the time of its calls speaks for."""
LONG_CALL = 0.25
"""Seconds: a model so large is the same speed at any size, and every trial takes its time."""
SHORT_CALL = 0.005
"""Seconds: a call so short is mostly overhead, so a larger one is tried."""
MODEL, WEIGHTS = "model.xml", "model.bin"
"""OpenVINO's own format: https://docs.openvino.ai (OpenVINO IR)."""
NAMES = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""What OpenVINO calls the precisions; in int8 that of what is not quantized."""
_STARTING = threading.Lock()
"""The first `to_dtype` of a process fills a static table in C++, for which it takes the
interpreter's lock; a second thread that holds that lock and asks for the table waits for ever. So
an engine asks when it is made, one engine at a time, and no call of it is the first."""


def is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    return version_of("openvino")


@cache
def processor() -> str:
    """The processor and what it can do: features were checked on this one."""
    core = _core()
    abilities = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}: {', '.join(abilities)}"


@cache
def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; OpenVINO takes float32 where it does not."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def convert(function: Any, names: Sequence[str], limits: Mapping[str, int]) -> tuple[Any, Any]:
    """A traced trunk as an OpenVINO model.

    The graph goes over as a frozen `GraphDef`: a SavedModel's scopes break on real layer names, and
    the converter that takes Python objects knows no loops (and reports its use to its makers).

    Args:
        function: a `ConcreteFunction`.
        names: the backbone's names of its inputs, in order.
        limits: see `Signature`.

    Returns:
        An `openvino.Model` and the `Signature`.

    Raises:
        Exception: of many kinds, if it cannot be converted.
    """
    from tensorflow.python.framework.convert_to_constants import (  # no public face
        convert_variables_to_constants_v2,
    )

    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    signature = Signature.of(frozen, names, limits)
    if len(frozen.inputs) != len(names):
        raise ValueError("it keeps something besides variables")
    with scratch_folder() as folder:
        file = folder / "frozen.pb"
        file.write_bytes(frozen.graph.as_graph_def().SerializeToString())
        return _core().read_model(file), signature


def with_arithmetic(model: Any, arithmetic: Affine) -> None:
    """Let a model of one image input take uint8 pixels, and do this arithmetic first."""
    openvino = openvino_package()
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NHWC"))
    first = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    if arithmetic.is_reversed:
        first.reverse_channels()
    first.mean((-arithmetic.offset / arithmetic.scale).tolist())
    first.scale((1 / arithmetic.scale).tolist())
    steps.build()


def to_files(model: Any) -> dict[str, bytes]:
    """A model in OpenVINO's own format, weights as they are."""
    with scratch_folder() as folder:
        file = folder / MODEL
        openvino_package().save_model(model, file, compress_to_fp16=False)
        return {MODEL: file.read_bytes(), WEIGHTS: file.with_name(WEIGHTS).read_bytes()}


def from_files(files: Mapping[str, bytes]) -> Any:
    """A model from what `to_files` gave."""
    return _core().read_model(files[MODEL], files[WEIGHTS])


def compile_model(model: Any, signature: Signature, precision: str, call_size: int) -> Any:
    """A compiled model; calls are of exactly `call_size` samples where all sizes are known."""
    if signature.is_fixed:
        shapes = {t.name: [call_size, *(s or 0 for s in t.shape)] for t in signature.inputs}
        model.reshape(shapes)
    return _core().compile_model(model, "CPU", _settings(precision))


def load_compiled(content: bytes, precision: str) -> Any:
    """A compiled model from what its `export_model` gave."""
    return _core().import_model(content, "CPU", _settings(precision))


class OpenVINOEngine:
    """A compiled trunk.

    Args:
        compiled: the compiled model.
        signature: what goes in and comes out.
        precision: of the arithmetic.
        call_size: samples a call; the last call is filled up where sizes are fixed.
    """

    name = "openvino"

    def __init__(self, compiled: Any, signature: Signature, precision: str, call_size: int) -> None:
        self.precision = precision
        self.call_size = call_size
        self.lanes = cores()
        self._compiled = compiled
        self._signature = signature
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.lanes):
            self._free.put(compiled.create_infer_request())
        self._inputs = [compiled.input(t.name) for t in signature.inputs]
        self._outputs = [compiled.output(t.name) for t in signature.outputs]
        with _STARTING:
            self._dtypes = [port.get_element_type().to_dtype() for port in self._inputs]

    def run(self, batch: Batch) -> list[np.ndarray]:
        arrays = [np.ascontiguousarray(a) for a in in_order(batch, self._signature.names)]
        self._check(arrays)
        count = len(arrays[0])
        found: list[list[np.ndarray]] = []
        with self._request() as request:
            for start in range(0, count, self.call_size):
                part = [array[start : start + self.call_size] for array in arrays]
                found.append(self._call(request, part))
        return [
            np.concatenate(parts).astype(tensor.dtype, copy=False)
            for parts, tensor in zip(zip(*found, strict=True), self._signature.outputs, strict=True)
        ]

    def _call(self, request: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        count = len(arrays[0])
        if self._signature.is_fixed and count < self.call_size:
            fill = self.call_size - count
            arrays = [np.concatenate([a, np.repeat(a[-1:], fill, axis=0)]) for a in arrays]
        given = dict(zip(self._inputs, arrays, strict=True))
        results = request.infer(given, share_inputs=True, share_outputs=True)
        return [np.array(results[output][:count]) for output in self._outputs]

    def _check(self, arrays: Sequence[np.ndarray]) -> None:
        signature = self._signature
        refuse_unknown_rows(signature.names, arrays, signature.limits)
        for name, array, tensor, wanted in zip(
            signature.names, arrays, signature.inputs, self._dtypes, strict=True
        ):
            shape = tensor.shape
            fits = array.ndim == len(shape) + 1 and all(
                want in (None, have) for want, have in zip(shape, array.shape[1:], strict=False)
            )
            if array.dtype != wanted or not fits:
                raise ValueError(
                    f"the input {name} takes {wanted} of shape {shape}, received {array.dtype} of "
                    f"shape {array.shape[1:]}"
                )

    @contextmanager
    def _request(self) -> Iterator[Any]:
        request = self._free.get()
        try:
            yield request
        finally:
            self._free.put(request)


@cache
def _core() -> Any:
    return openvino_package().Core()


def _settings(precision: str) -> dict[str, Any]:
    """One stream a core, each of one thread: whoever calls `run` lends it a core.

    Threads are not bound to cores: each process would begin at the first, so that workers which
    were given a core each would all run on that one.
    """
    return {
        "INFERENCE_PRECISION_HINT": NAMES[kind_of(precision)],
        "NUM_STREAMS": cores(),
        "INFERENCE_NUM_THREADS": cores(),
        "ENABLE_CPU_PINNING": False,
    }


class OpenVINOProvider:
    """Brings the engine; see `EngineProvider`."""

    name: ClassVar[str] = OpenVINOEngine.name
    preference: ClassVar[int] = 10
    install: ClassVar[str] = "pip install 'headstart[cpu]'"
    quantizer_install: ClassVar[str] = "pip install 'headstart[quant]'"

    @staticmethod
    def problem() -> str:
        return "" if is_installed() else "is not installed"

    @staticmethod
    def version() -> str:
        return version()

    @staticmethod
    def processor() -> str:
        return processor()

    @staticmethod
    def on_gpu() -> bool:
        return False

    @staticmethod
    def caveats(precision: str) -> Sequence[str]:
        kind = kind_of(precision)
        if kind == "bfloat16" and not has_bfloat16():
            return (
                "this processor has no bfloat16: openvino computes in float32, no faster than "
                "there",
            )
        if kind == INT8 and quantization.is_fast_here() is False:
            return (
                "this processor has neither VNNI nor AMX: int8 is hardly faster here than float32",
            )
        return ()

    @staticmethod
    def convert(trunk: Trunk, trial: Trial) -> Converted:
        model, signature = convert(trunk.function, trunk.names, trunk.limits)
        if trunk.arithmetic is not None:
            with_arithmetic(model, trunk.arithmetic)
        best = _fastest(model, signature, trial)
        facts = {
            "signature": asdict(signature),
            "call_size": best.engine.call_size,
            "precision": trial.precision,
        }
        content = _exported(best.compiled)
        files = to_files(model)
        return Converted(best.engine, content, facts=facts, files=files)

    @staticmethod
    def compile(files: Mapping[str, bytes], facts: Mapping[str, Any], trial: Trial) -> Converted:
        signature = Signature.from_json(facts["signature"])
        call_size = trial.call_size or facts["call_size"]
        if trial.call_size is None and trial.precision != facts["precision"]:
            call_size = max(CALL_SIZE, call_size)  # `LONG_CALLS` suited the other precision
        compiled = trial.guard(
            "compiling for openvino",
            lambda: compile_model(from_files(files), signature, trial.precision, call_size),
        )
        engine = OpenVINOEngine(compiled, signature, trial.precision, call_size)
        facts = {**facts, "call_size": call_size, "precision": trial.precision}
        return Converted(engine, export=lambda: _exported(compiled), facts=facts)

    @staticmethod
    def quantizer_problem() -> str:
        return "" if quantization.is_installed() else "NNCF is not installed"

    @staticmethod
    def quantizer_versions() -> Mapping[str, str]:
        return {"openvino": version(), **quantization.versions()}

    @staticmethod
    def quantize(
        files: Mapping[str, bytes],
        facts: Mapping[str, Any],
        samples: Batch,
        tick: Callable[[], None],
    ) -> dict[str, bytes]:
        signature = Signature.from_json(facts["signature"])
        tensors = [tensor.name for tensor in signature.inputs]
        model = from_files(files)
        return to_files(quantization.quantize(model, signature.names, tensors, samples, tick))

    @staticmethod
    def load(content: bytes, facts: Mapping[str, Any], precision: str) -> Engine:
        compiled = load_compiled(content, precision)
        signature = Signature.from_json(facts["signature"])
        return OpenVINOEngine(compiled, signature, precision, facts["call_size"])


@dataclass(frozen=True)
class _Candidate:
    engine: OpenVINOEngine
    compiled: Any
    per_second: float

    @property
    def seconds(self) -> float:
        """Of one call."""
        return self.engine.call_size * self.engine.lanes / self.per_second


def _exported(compiled: Any) -> bytes:
    content = compiled.export_model()
    return content if isinstance(content, bytes) else content.getvalue()


def _fastest(model: Any, signature: Signature, trial: Trial) -> _Candidate:
    """The model compiled for the size of calls that suits it."""

    def tried(call_size: int) -> _Candidate:
        compiled = trial.guard(
            "compiling for openvino",
            lambda: compile_model(model.clone(), signature, trial.precision, call_size),
        )
        engine = OpenVINOEngine(compiled, signature, trial.precision, call_size)
        return _Candidate(engine, compiled, trial.time(engine, call_size))

    best = tried(trial.call_size or CALL_SIZE)
    if trial.call_size or best.seconds > LONG_CALL:
        return best
    for call_size in SHORT_CALLS if best.seconds < SHORT_CALL else LONG_CALLS:
        best = max(best, tried(call_size), key=lambda candidate: candidate.per_second)
    return best
