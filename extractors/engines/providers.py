"""The engines that there are."""

from __future__ import annotations

from headstart.errors import BackboneError
from headstart.extractors.engines.provider import EngineProvider
from headstart.plugins import Plugins

HERE = "headstart.extractors.engines"
PROVIDERS: Plugins[type[EngineProvider]] = Plugins(
    "headstart.engines",
    "engine",
    EngineProvider,
    name="name",
    error=BackboneError,
    ours={
        "tensorflow": f"{HERE}.tensorflow_engine:TensorFlowProvider",
        "openvino": f"{HERE}.openvino_engine:OpenVINOProvider",
    },
)
REFERENCE = "tensorflow"
"""What every other engine is checked against, and what runs a trunk where there is no other."""


def others() -> list[type[EngineProvider]]:
    """All but the reference, by their preference."""
    found = [provider for name, provider in PROVIDERS.items() if name != REFERENCE]
    return sorted(found, key=lambda provider: -provider.preference)
