"""OpenVINO's trunks in int8: post-training quantization by NNCF.

Krishnamoorthi: Quantizing deep convolutional networks for efficient inference, 2018; how NNCF does
it: https://docs.openvino.ai (basic quantization).
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headstart.extractors.preprocessing.batches import Batch, arrays, length
from headstart.values.installed import version_of

NAMELESS = ("Parameter", "Result")
"""Operations whose names are those of inputs and outputs; see `_with_steady_names`."""


PRODUCTS = ("MatMul", "Einsum")
BETWEEN = ("Select", "Multiply", "Reshape", "Transpose", "Convert", "Squeeze", "Unsqueeze")
"""What may stand between a softmax and what it weighs: masks, and other orders of the numbers."""
CPUINFO = Path("/proc/cpuinfo")
FAST = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm"}
"""As Linux calls them: of x86, and of ARM."""


def is_installed() -> bool:
    return importlib.util.find_spec("nncf") is not None


def versions() -> dict[str, str]:
    return {"nncf": version_of("nncf")}


@cache
def is_fast_here() -> bool | None:
    """Whether this processor multiplies whole numbers of eight bits into sums of 32; None where
    the system does not say."""
    try:
        flags = CPUINFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return any(flag in FAST for flag in flags)


def quantize(
    model: Any,
    names: Sequence[str],
    tensors: Sequence[str],
    samples: Batch,
    tick: Callable[[], None],
) -> Any:
    """A model with weights and activations of eight bits.

    NNCF's defaults: weights and activations symmetric about zero (`performance`), ranges by all of
    the samples, biases corrected fast. Nothing in it is drawn by chance. Of a model with attention
    NNCF is told so: outliers of activations move into the weights before (SmoothQuant; Xiao et al.,
    ICML 2023), and what is known to suffer stays as it is. Features of MiniLM on BBC News had a
    relative error of 1.42 without it, as much as rows of two texts, and have 0.08 with it.

    Args:
        model: an `openvino.Model`.
        names: of its inputs in a batch, in order.
        tensors: of the same in the model.
        samples: by which it is calibrated.
        tick: called whenever one is looked at.
    """
    nncf, count = _nncf(), length(samples)
    given = [samples[name] for name in names] if isinstance(samples, dict) else arrays(samples)

    class Given:
        """The samples one by one, as often as they are asked for."""

        def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
            for row in range(count):
                tick()
                one = slice(row, row + 1)
                yield {name: part[one] for name, part in zip(tensors, given, strict=True)}

        def __len__(self) -> int:
            return count

    found = nncf.quantize(
        model,
        nncf.Dataset(Given()),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        model_type=nncf.ModelType.TRANSFORMER if has_attention(model) else None,
        target_device=nncf.TargetDevice.CPU,
        subset_size=count,
    )
    return _with_steady_names(found)


def has_attention(model: Any) -> bool:
    """Whether an `openvino.Model` has attention: a softmax that weighs what was computed."""
    for operation in model.get_ops():
        kind = operation.get_type_name()
        if kind == "ScaledDotProductAttention":
            return True
        if kind == "Softmax" and _reaches_product(operation):
            return True
    return False


def _reaches_product(operation: Any) -> bool:
    """Whether a product of two computed tensors takes what an operation gives."""
    for output in operation.outputs():
        for user in (target.get_node() for target in output.get_target_inputs()):
            kind = user.get_type_name()
            if kind in PRODUCTS and not any(map(_is_constant, user.input_values())):
                return True
            if kind in BETWEEN and _reaches_product(user):
                return True
    return False


def _is_constant(value: Any) -> bool:
    """Whether a tensor is a weight, if it is one of another type than what it is used in."""
    node = value.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node.get_type_name() == "Constant"


def _with_steady_names(model: Any) -> Any:
    """Operations are called by their place: NNCF numbers what it adds on through the process, and
    the same calibration would have other bytes each time."""
    for place, operation in enumerate(model.get_ordered_ops()):
        if operation.get_type_name() not in NAMELESS:
            operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    return model


@cache
def _nncf() -> Any:
    """NNCF, which takes a stub for its telemetry.

    It would tell Google Analytics that a model is quantized (`nncf/telemetry/wrapper.py`), and
    nobody was asked. What it logs, and its progress bar, go to standard output, where results are.
    """
    name = "openvino_telemetry"
    before = {name: sys.modules[name]} if name in sys.modules else {}
    sys.modules[name] = None  # type: ignore[assignment]  # is taken for not installed
    try:
        import nncf
        from nncf.common.logging import track_progress
    finally:
        del sys.modules[name]
        sys.modules.update(before)
    nncf.set_log_level(logging.CRITICAL)
    progress: Any = track_progress.Progress

    def unseen(*columns: Any, **how: Any) -> Any:
        return progress(*columns, **{**how, "disable": True})

    track_progress.Progress = unseen  # type: ignore[assignment]
    return nncf
