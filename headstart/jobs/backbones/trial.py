"""A preset that was read is run once before it is registered: no header tells that it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from headstart.errors import Stalled
from headstart.extractors.backbones.cuts import resolve
from headstart.extractors.backbones.registration import Read
from headstart.extractors.engines.first_run import first_run, is_tried
from headstart.extractors.preprocessing.pipeline import Files, Preprocessing
from headstart.extractors.watchdog import Watchdog
from headstart.jobs.backbones.convert import PATIENCE, bytes_missing


def tried(read: Read, files: Files, say: Callable[[str], None]) -> Read:
    """The same, after its first run, with the warnings of that.

    Args:
        read: the backbone and its graph.
        files: where those of its preprocessing are.
        say: told why it was not run.

    Raises:
        PreprocessingError, BackboneError: see `first_run`.
    """
    backbone, graph = read
    pipeline = Preprocessing.from_json(backbone.preprocessing, files=files)
    if not is_tried(pipeline):
        return read
    if wanted := bytes_missing(backbone, graph, samples=1):
        say(f"{backbone.name!r} is not run now, that may take {wanted:,} bytes.")
        return read
    cut = resolve(backbone.cuts, None)
    guard = Watchdog(PATIENCE).guard([])
    try:
        warnings = guard("running it", lambda: first_run(backbone.name, graph, pipeline, cut))
    except Stalled:  # the thread that hangs is left, and ends with the process
        say(f"{backbone.name!r} was not seen to run: that was given up after {PATIENCE:,.0f} s.")
        return read
    return Read(replace(backbone, warnings=(*backbone.warnings, *warnings)), graph)
