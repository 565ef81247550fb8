"""The tokenizer that windows of tokens are counted by, kept in the workspace."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetError, NotFound, SourceMissing
from headstart.extractors.preprocessing.steps.texts import tokenizer_json
from headstart.storage.files import read_regular


def with_tokenizer(context: Context, windows: dict[str, str]) -> dict[str, str]:
    """The options of windows, with the sha256 of the tokenizer in the place of its name.

    Args:
        context: where it is kept.
        windows: `tokenizer` is a backbone's name, or the path of a tokenizer's file.

    Raises:
        DatasetError: it is neither, or the backbone has no tokenizer.
        PreprocessingError: the file is no tokenizer.
    """
    named = windows.get("tokenizer")
    if named is None:
        return windows
    found = _of_backbone(context, named)
    if found is None:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SourceMissing(
                f"no backbone and no file {named!r}",
                hint="--tokenizer takes a backbone's name, a tokenizer.json or a vocab.txt.",
            )
        found = context.artifacts.keep(tokenizer_json(read_regular(path), path.name))
    return {**windows, "tokenizer": found}


def _of_backbone(context: Context, name: str) -> str | None:
    """The sha256 of a backbone's tokenizer; None where there is no backbone of that name."""
    with suppress(NotFound):
        backbone = context.backbones.get(name)
        steps: list[dict[str, Any]] = list(backbone.preprocessing.get("steps", ()))
        for chain in backbone.preprocessing.get("inputs", {}).values():
            steps += chain
        found = [step["tokenizer"] for step in steps if step["step"] == "tokenize"]
        if not found:
            raise DatasetError(
                f"the backbone {backbone.label!r} has no tokenizer that can be asked",
                hint="Name a tokenizer.json or a vocab.txt, or count words: --window 256w.",
            )
        return found[0]
    return None
