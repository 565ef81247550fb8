"""The files of words that a preset's tokenizer is built of, counted before anything is.

A tokenizer has an object or more for each word and each pair that is merged, so that a file of 40
MB takes gigabytes and minutes. Lines are counted by their ends, and entries of JSON by commas, of
which there are no fewer. Words stand in settings as well: KerasHub takes `vocab` and `merges` of
Hugging Face's `tokenizer.json`, and what a tokenizer of its own has as `vocabulary`. Settings with
many commas are parsed, as a merge of two words has two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from headstart.errors import UnsafeModel
from headstart.extractors.safety.inspection import walk
from headstart.fields import WrongField, read_json
from headstart.storage.files import BLOCK, open_regular

MOST_ENTRIES = 1_000_000
"""Words, or pairs that are merged: the largest of KerasHub's presets have some 500,000."""
LARGEST_PIECES = 16 << 20
"""Bytes of a model of SentencePiece, whose pieces are not counted: the largest have 5 MB."""
LARGEST_WORDS = 64 << 20
"""Bytes of a file of lines or entries."""
PIECES = {".model", ".spm", ".proto"}
WORDS_AT_ROOT = {"vocab.json", "vocabulary.json"}
"""Of Hugging Face; other JSON there is settings, which may hold words."""
TABLES = 3
"""How many tables of the most entries settings may have: one of words, and one of merges, of which
each has two commas. Gemma's has 262,144 words and 514,906 merges."""
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
        kind = path.suffix.lower()  # as a disk finds it that takes no notice of capitals
        is_words = assets in path.relative_to(root).parts or path.name.lower() in WORDS_AT_ROOT
        if kind in PIECES:
            _check_size(path, LARGEST_PIECES)
        elif kind == ".txt":
            _check_size(path, LARGEST_WORDS)
            _refuse_more(path, _count(path, _ends), "lines")
        elif kind == ".json":
            _check_size(path, LARGEST_WORDS)
            commas = _count(path, _commas)
            if is_words:
                _refuse_more(path, commas, "entries")
            elif commas > MOST_ENTRIES or path.stat().st_size > LARGEST_PIECES:
                _refuse_more(path, commas, "entries", TABLES * MOST_ENTRIES)
                _check_settings(path)


def _check_size(path: Path, most: int) -> None:
    if path.stat().st_size > most:
        raise UnsafeModel(f"{path} is refused: it has more than {most >> 20} MiB", hint=HINT)


def _count(path: Path, of: Callable[[bytes], int]) -> int:
    with open_regular(path) as file:
        return sum(of(block) for block in iter(lambda: file.read(BLOCK), b""))


def _refuse_more(path: Path, count: int, what: str, most: int | None = None) -> None:
    most = MOST_ENTRIES if most is None else most
    if count > most:
        raise UnsafeModel(f"{path} is refused: it has more than {most:,} {what}", hint=HINT)


def _check_settings(path: Path) -> None:
    """Refuse a table or list of too many entries, and a model of SentencePiece in letters."""
    try:
        settings = read_json(path.read_bytes(), str(path))
    except WrongField:
        return  # whoever looks into the settings says so
    for value in walk(settings):
        if isinstance(value, dict | list):
            _refuse_more(path, len(value), "entries")
        elif isinstance(value, str) and len(value) > LARGEST_PIECES:
            raise UnsafeModel(
                f"{path} is refused: it has a text of more than {LARGEST_PIECES >> 20} MiB",
                hint=HINT,
            )


def _commas(block: bytes) -> int:
    return block.count(b",")


def _ends(block: bytes) -> int:
    """Of lines, as Python reads them: with `\n`, `\r` or both."""
    return block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
