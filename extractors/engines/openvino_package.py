"""The import of OpenVINO: without what tells of it, and without what is not used here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

TELEMETRY, CONVERTER = "openvino_telemetry", "openvino.tools.ovc"


@cache
def openvino_package() -> Any:
    """OpenVINO without its telemetry and its converter of Python objects.

    The telemetry would tell Google Analytics of the import, with a number that it keeps in
    `~/intel` (`openvino/tools/ovc/__init__.py`), and nobody was asked. The converter is a third of
    the import; OpenVINO does without it where it is not installed, and whoever calls it in this
    process gets it then.
    """
    try:
        with _left_out(TELEMETRY, CONVERTER):
            import openvino
            import openvino.preprocess
    except ImportError:  # of a release that cannot do without
        with _left_out(TELEMETRY):
            import openvino
            import openvino.preprocess
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model
    return openvino


def _convert_model(*given: Any, **options: Any) -> Any:
    """OpenVINO's own, which is imported when somebody calls it."""
    with _left_out(TELEMETRY):
        from openvino.tools.ovc import convert_model
    return convert_model(*given, **options)


@contextmanager
def _left_out(*names: str) -> Iterator[None]:
    """Let modules be taken for not installed by what is imported meanwhile."""
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # pyright: ignore[reportArgumentType, reportCallIssue]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)
