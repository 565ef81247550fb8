"""The steps that a preprocessing pipeline can have, by name."""

from headstart.extractors.steps import arrays, audio, hub, images, texts

STEPS = {**images.STEPS, **arrays.STEPS, **texts.STEPS, **audio.STEPS, **hub.STEPS}
