"""Steps for texts: as they are, as tokens, or as numbers of a TextVectorization vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError, SampleUnreadable
from headstart.extractors.preprocessing.steps.kinds import (
    StepKind,
    is_count,
    is_digest,
    is_text_of,
    untold,
)
from headstart.extractors.preprocessing.steps.signatures import unlike
from headstart.extractors.runtime import keras

PARTS = ("ids", "mask", "types")
STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation", "none")
SPLIT = ("whitespace", "character", "none")


def to_text(raw: Any) -> str:
    """A sample's bytes as text.

    Raises:
        SampleUnreadable: it is not UTF-8, or not text at all.
    """
    if isinstance(raw, np.ndarray) and raw.size == 1 and raw.dtype.kind in "USO":
        raw = raw.reshape(-1)[0]
    if isinstance(raw, str):
        return raw
    if not isinstance(raw, bytes):
        raise SampleUnreadable(
            "the backbone takes texts, the dataset holds arrays",
            hint="Give a dataset with a text column, or text files.",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise unlike(raw, "a text", reason) from error


def _text(raw: Any, *, axes: int) -> np.ndarray:
    value = np.array(to_text(raw).encode(), dtype=object)
    return value.reshape((1,) * axes)


def _open_tokenizer(
    content: bytes,
    *,
    length: int,
    outputs: dict[str, str],
    tell: Callable[[float], None] = untold,
) -> Callable[[Any], Any]:
    """Texts to token numbers by a tokenizer of the `tokenizers` library, padded to `length`."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise PreprocessingError(
            "the backbone's tokenizer needs the package tokenizers",
            hint="pip install 'headstart[text]'",
        ) from error
    tokenizer = Tokenizer.from_str(content.decode())
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, **_padding(tokenizer))

    def tokenize(raw: Any) -> Any:
        encoded = tokenizer.encode(to_text(raw))
        left_out = sum(_words_in(part) for part in encoded.overflowing)
        tell(left_out / (left_out + _words_in(encoded)) if left_out else 0.0)
        parts = {
            "ids": encoded.ids,
            "mask": encoded.attention_mask,
            "types": encoded.type_ids,
        }
        arrays = {name: np.array(parts[part], np.int32) for name, part in outputs.items()}
        return arrays if len(arrays) > 1 else next(iter(arrays.values()))

    return tokenize


def _words_in(encoded: Any) -> int:
    """Tokens of the text itself: neither padding nor those that stand around every text."""
    return encoded.special_tokens_mask.count(0)


def _padding(tokenizer: Any) -> dict[str, Any]:
    """The padding token: the tokenizer's own, or the usual names; number 0 without one."""
    if tokenizer.padding is not None:
        return {k: tokenizer.padding[k] for k in ("pad_id", "pad_token", "pad_type_id")}
    for token in ("[PAD]", "<pad>", "<|endoftext|>"):
        number = tokenizer.token_to_id(token)
        if number is not None:
            return {"pad_id": number, "pad_token": token}
    return {"pad_id": 0}


def tokenizer_json(content: bytes, name: str, *, lower: bool = True, merges: bytes = b"") -> bytes:
    """Any of the usual tokenizer files as one `tokenizer.json`.

    Args:
        content: of a `tokenizer.json`, of a WordPiece `vocab.txt` (one token a line), or of the
            `vocab.json` of a byte-level BPE.
        name: the file's name, for messages.
        lower: whether a WordPiece vocabulary is of lower-case words without accents.
        merges: of the BPE's `merges.txt`.

    Raises:
        PreprocessingError: it is none of them, or the library is missing.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise PreprocessingError(
            "tokenizers are read with the package tokenizers",
            hint="pip install 'headstart[text]'",
        ) from error
    try:
        text = content.decode()
        if not name.endswith(".json"):
            words = {line.rstrip("\r"): number for number, line in enumerate(text.splitlines())}
            return tokenizers.BertWordPieceTokenizer(words, lowercase=lower).to_str().encode()
        value = json.loads(text)
        if "model" in value:
            return tokenizers.Tokenizer.from_str(text).to_str().encode()
        pairs = [tuple(line.split(" ")) for line in merges.decode().splitlines() if line[:1] != "#"]
        return (
            tokenizers.ByteLevelBPETokenizer(value, [p for p in pairs if len(p) == 2])
            .to_str()
            .encode()
        )
    except Exception as error:  # the library raises plain Exception
        raise PreprocessingError(
            f"{name} is not a tokenizer ({error})",
            hint="Give a tokenizer.json, a WordPiece vocab.txt, or vocab.json with merges.",
        ) from error


def _open_vectorizer(
    content: bytes,
    *,
    length: int,
    standardize: str,
    split: str,
    tell: Callable[[float], None] = untold,
) -> Callable[[Any], np.ndarray]:
    """Texts to word numbers by Keras' TextVectorization with a stored vocabulary."""
    layer = keras().layers.TextVectorization(
        standardize=None if standardize == "none" else standardize,
        split=None if split == "none" else split,
        vocabulary=content.decode().splitlines(),
    )

    def vectorize(raw: Any) -> np.ndarray:
        words = np.asarray(layer([to_text(raw)])[0]).astype(np.int32)
        if split == "none":  # the whole text is one word: Keras gives its number alone
            return words
        tell(max(0, len(words) - length) / max(1, len(words)))
        return np.pad(words[:length], (0, max(0, length - len(words))))

    return vectorize


def _are_outputs(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and set(value.values()) <= set(PARTS)


STEPS = {
    "text": StepKind(
        version=1,
        settings={"axes": (1, "0, 1 or 2", lambda v: v in (0, 1, 2))},
        run=_text,
        words="take the text as it is",
    ),
    "tokenize": StepKind(
        version=1,
        settings={
            "tokenizer": (None, "the sha256 of a stored tokenizer", is_digest),
            "length": (128, "a number of tokens", is_count),
            "outputs": (
                {"token_ids": "ids"},
                f"a table from the model's inputs to {', '.join(PARTS)}",
                _are_outputs,
            ),
        },
        file="tokenizer",
        open=_open_tokenizer,
        tells=True,
        words="tokenize to {length} tokens (tokenizer {tokenizer:.12}) as {outputs}",
    ),
    "vectorize": StepKind(
        version=1,
        settings={
            "vocabulary": (None, "the sha256 of a stored vocabulary", is_digest),
            "length": (128, "a number of words", is_count),
            "standardize": (
                "lower_and_strip_punctuation",
                f"one of {', '.join(STANDARDIZE)}",
                is_text_of(*STANDARDIZE),
            ),
            "split": ("whitespace", f"one of {', '.join(SPLIT)}", is_text_of(*SPLIT)),
        },
        file="vocabulary",
        open=_open_vectorizer,
        tells=True,
        words="number {length} words by Keras' TextVectorization (vocabulary {vocabulary:.12}; "
        "{standardize}, split by {split})",
    ),
}
