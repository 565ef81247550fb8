"""What samples a pipeline takes: pictures, texts, sounds."""

from __future__ import annotations

from headstart.extractors.preprocessing.pipeline import Preprocessing

MEDIA = {
    "decode_image": "pictures",
    "decode_reduced": "pictures",
    "text": "texts",
    "tokenize": "texts",
    "vectorize": "texts",
    "kerashub": "texts",
    "decode_audio": "sounds",
}
"""By the first step; others take whatever has the right shape."""


def find_medium(pipeline: Preprocessing) -> str | None:
    """Of all of its inputs; None where that is told by shapes alone, or they differ."""
    firsts = {steps[0]["step"] if steps else "" for steps in pipeline.chains.values()}
    found = {MEDIA.get(step) for step in firsts}
    return found.pop() if len(found) == 1 else None
