"""What is said of a file that is no model file."""

from __future__ import annotations

from pathlib import Path

from headstart.errors import ModelFileError, WeightsOnly


def damaged(path: Path, reason: str) -> ModelFileError:
    """The error of a file that is no whole model file."""
    return ModelFileError(
        f"{path} is damaged or not a model file ({reason})",
        hint="Copy or save it again; nothing was registered.",
    )


def weights_only(path: Path) -> WeightsOnly:
    """The error of a file that holds weights where a model is wanted."""
    return WeightsOnly(
        f"{path} holds weights but no architecture",
        hint="Name the architecture with --architecture FILE (a saved model, or JSON), or "
        f"applications:NAME?weights={path.name}.",
    )
