"""Tokens of a text, in windows that begin and end where words do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from headstart.errors import DatasetError, SampleUnreadable
from headstart.extractors.datasets.windows.medium import MOST
from headstart.extractors.datasets.windows.texts import named, text_of
from headstart.storage.windowed.places import Place

Word = tuple[int, int, int]
"""Of a word the character that it begins with, the one behind it, and its tokens."""


@dataclass(frozen=True)
class Tokens:
    """See `Medium`.

    A window holds as many whole words as fit, with the tokens that the tokenizer puts around every
    text; so a backbone that takes as many tokens cuts nothing off. A word of more tokens than that
    is a window by itself.

    Attributes:
        window: tokens.
        hop: tokens.
        load: gives the tokenizer, as the JSON of the library `tokenizers`.
    """

    window: Fraction
    hop: Fraction
    load: Callable[[], bytes]

    def places(self, content: Any) -> list[tuple[str, Place]]:
        text = text_of(content)
        tokenizer = self._tokenizer
        room = int(self.window) - tokenizer.num_special_tokens_to_add(False)
        if room < 1:
            raise SampleUnreadable(
                f"the tokenizer puts {int(self.window) - room} tokens around every text, and the "
                f"window has {int(self.window)}",
                hint="Take a larger --window.",
            )
        words = _words(tokenizer.encode(text, add_special_tokens=False))
        if sum(tokens for _, _, tokens in words) <= room:
            return [named(0, len(text))]
        return [named(words[a][0], words[b - 1][1]) for a, b in word_windows(words, room, self.hop)]

    def cut(self, content: Any, place: Place) -> bytes:
        return text_of(content)[place.start : place.stop].encode()

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise DatasetError(
                "tokens are counted with the package tokenizers",
                hint="pip install 'headstart[text]'; or count words, --window 256w.",
            ) from error
        tokenizer = Tokenizer.from_str(self.load().decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _words(encoded: Any) -> list[Word]:
    """The words of a text, of which each token is a part."""
    found: list[Word] = []
    last: int | None = None
    for word, (start, stop) in zip(encoded.word_ids, encoded.offsets, strict=True):
        if found and word is not None and word == last:
            begin, _, tokens = found[-1]
            found[-1] = (begin, stop, tokens + 1)
        else:
            found.append((start, stop, 1))
        last = word
    return found


def word_windows(words: list[Word], room: int, hop: Fraction) -> list[tuple[int, int]]:
    """Windows as numbers of words, the last one behind it; every word is in one.

    The last window ends at the end, and goes back as far as there is room.

    Raises:
        SampleUnreadable: there are more than `MOST`.
    """
    firsts = [0]
    for _, _, tokens in words:
        firsts.append(firsts[-1] + tokens)
    found, start, stop, ahead = [], 0, 0, 0
    while stop < len(words):
        if len(found) == MOST:
            raise SampleUnreadable(
                f"it would be more than {MOST:,} windows", hint="Take a larger --hop."
            )
        stop = max(stop, start + 1)
        while stop < len(words) and firsts[stop + 1] - firsts[start] <= room:
            stop += 1
        if stop == len(words):
            while start > 0 and firsts[stop] - firsts[start - 1] <= room:
                start -= 1
        found.append((start, stop))
        ahead = start + 1
        while ahead < stop and firsts[ahead] - firsts[start] < hop:
            ahead += 1
        start = ahead
    return found
