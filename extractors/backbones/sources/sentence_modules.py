"""How a sentence model pools its tokens: `modules.json` of Sentence Transformers.

The file lists modules, each with a type and a folder; the pooling's `config.json` has a flag for
each mode (https://sbert.net/docs/package_reference/sentence_transformer/models.html).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError
from headstart.fields import WrongField, read_json
from headstart.notices import warn
from headstart.paths import inside
from headstart.storage.files import open_regular

FILE = "modules.json"
LARGEST = 1 << 16
"""Bytes of either file that are read; real ones have some hundred."""
MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
"""A flag of theirs to a pooling of ours."""
HARMLESS = {"Transformer", "Pooling", "Normalize"}
"""Modules that are done here, or change nothing that a head could not: a vector's length."""


def pooling_of(folder: Path) -> str | None:
    """The pooling that a model's folder states; None where it states none.

    Raises:
        ModelFileError: it states one that is not known, or a file is no JSON of that kind.
    """
    if not (folder / FILE).is_file():
        return None
    modules = _read(folder / FILE)
    if not isinstance(modules, list) or not all(isinstance(one, dict) for one in modules):
        raise ModelFileError(f"{folder / FILE} is not a list of modules", hint="Remove or fix it.")
    kinds = {str(one.get("type")).rpartition(".")[2]: one.get("path") for one in modules}
    if left := sorted(set(kinds) - HARMLESS):
        warn(f"{folder / FILE}: not used: {', '.join(left)}")
    if "Pooling" not in kinds:
        return None
    return _pooling_in(inside(folder, str(kinds["Pooling"])) / "config.json")


def _pooling_in(file: Path) -> str:
    config = _read(file)
    if not isinstance(config, dict):
        raise ModelFileError(f"{file} is not a table of settings", hint="Remove or fix it.")
    found = [mode for mode, on in config.items() if mode.startswith("pooling_mode") and on is True]
    if len(found) != 1 or found[0] not in MODES:
        raise ModelFileError(
            f"{file} states the poolings {', '.join(found) or 'none'}",
            hint=f"One of {', '.join(MODES)} is known; remove modules.json to go without.",
        )
    return MODES[found[0]]


def _read(file: Path) -> Any:
    try:
        with open_regular(file) as opened:
            return read_json(opened.read(LARGEST), str(file))
    except (OSError, WrongField) as error:
        raise ModelFileError(
            f"{file} cannot be read ({error})", hint="Remove modules.json to go without."
        ) from error
