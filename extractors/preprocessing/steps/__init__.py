"""The steps that a preprocessing pipeline can have, by name."""

from collections.abc import Iterable
from typing import Any

from headstart.extractors.preprocessing.steps import arrays, audio, augmentation, hub, images, texts

STEPS = {
    **images.STEPS,
    **augmentation.STEPS,
    **arrays.STEPS,
    **texts.STEPS,
    **audio.STEPS,
    **hub.STEPS,
}


def files_of(steps: Iterable[dict[str, Any]]) -> list[str]:
    """sha256 of the stored files that steps need."""
    return [step[file] for step in steps if (file := STEPS[step["step"]].file) is not None]
