"""The files of words that a preset's tokenizer is built of, counted before anything is.

A tokenizer has an object or more for each word and each pair that is merged, so that a file of 40
MB takes gigabytes and minutes. Nothing is parsed here: lines are ends of lines, and entries of JSON
are commas, of which there are no fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.errors import UnsafeModel
from headstart.storage.files import BLOCK, open_regular

MOST_ENTRIES = 1_000_000
"""Words, or pairs that are merged: the largest of KerasHub's presets have some 500,000."""
LARGEST_PIECES = 16 << 20
"""Bytes of a model of SentencePiece, whose pieces are not counted: the largest have 5 MB."""
LARGEST_WORDS = 64 << 20
"""Bytes of a file of lines or entries."""
PIECES = {".model", ".spm", ".proto"}
WORDS_AT_ROOT = {"vocab.json", "vocabulary.json"}
"""Of Hugging Face; other JSON there is a configuration."""
HINT = "Give the tokenizer that belongs to the preset."


def check_vocabularies(files: Sequence[Path], root: Path, assets: str) -> None:
    """Refuse files of words that are absurdly long.

    Args:
        files: of a preset.
        root: its folder.
        assets: the folder in it whose JSON are words.

    Raises:
        UnsafeModel: one is.
    """
    for path in files:
        is_words = assets in path.relative_to(root).parts or path.name in WORDS_AT_ROOT
        if path.suffix in PIECES:
            _check_size(path, LARGEST_PIECES)
        elif path.suffix == ".txt" or (path.suffix == ".json" and is_words):
            _check_size(path, LARGEST_WORDS)
            _check_count(path)


def _check_size(path: Path, most: int) -> None:
    if path.stat().st_size > most:
        raise UnsafeModel(f"{path} is refused: it has more than {most >> 20} MiB", hint=HINT)


def _check_count(path: Path) -> None:
    is_json, count = path.suffix == ".json", 0
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            count += block.count(b",") if is_json else _ends(block)
            if count > MOST_ENTRIES:
                what = "entries" if is_json else "lines"
                raise UnsafeModel(
                    f"{path} is refused: it has more than {MOST_ENTRIES:,} {what}", hint=HINT
                )


def _ends(block: bytes) -> int:
    """Of lines, as Python reads them: with `\n`, `\r` or both."""
    return block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
