"""Conversions of a workspace, as tests look at them."""

import subprocess
import sys

from headstart.extractors.engines.conversions import KIND

OPENVINO_ALONE = (
    "assert ws.extract('net', 'pics').report.engine == 'openvino'\n"
    "assert 'tensorflow' not in sys.modules\n"
)


def conversions(ws):
    return ws.context.runs.find_latest(KIND)


def elsewhere_run(ws, code):
    """Run code with `ws` in a new process."""
    start = f"import sys, headstart as hs\nws = hs.open({str(ws.config.root)!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], timeout=280, check=False)


def said(view):
    return [warning for warning in view.report.warnings if "made again: " in warning]
