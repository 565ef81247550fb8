"""The engine of a trunk in int8: that of its calibration, or none."""

from __future__ import annotations

from headstart.errors import BackboneError
from headstart.extractors.engines.engine import INT8
from headstart.extractors.engines.int8.calibrations import Calibration, Calibrations
from headstart.extractors.engines.kept import KeptEngines
from headstart.extractors.engines.known import Known
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE
from headstart.extractors.engines.trial import Request
from headstart.registry.entities import Backbone


def find_quantized(
    backbone: Backbone, calibrations: Calibrations, kept: KeptEngines, wanted: str, run: Request
) -> Known:
    """The engine, which gives what it gave when the trunk was calibrated.

    Args:
        backbone: whose trunk it is.
        calibrations: where that is looked for.
        kept: makes the engine of it.
        wanted: `auto`, or the name of an engine.
        run: in the precision of a calibration.

    Raises:
        BackboneError: it is not here, or gives other features.
    """
    check_engine(wanted)
    label = f"{backbone.label}@{run.cuts[0].name}"
    found = calibrations.find(backbone, run.cuts[0], run.precision)
    if found is None or run.precision == INT8:
        raise BackboneError(
            f"{label!r} has no calibration {run.precision} here",
            hint=f"`headstart extract {label} DATASET --precision int8` makes one.",
        )
    _check_is_here(label, found, wanted)
    known = kept.find(PROVIDERS[found.engine], run)
    if known is not None and not known.problem:
        return known
    kept.notes.clear()
    raise BackboneError(
        f"{label!r} in {run.precision} is not as it was calibrated: "
        f"{kept.why or 'it cannot be compiled'}",
        hint="The same command makes a damaged file again; where the processor gives "
        "other features, use --precision float32 or bfloat16.",
    )


def check_engine(wanted: str) -> None:
    """See that an engine that was asked for may compute in int8.

    Raises:
        BackboneError: it is TensorFlow.
    """
    if wanted == REFERENCE:
        raise BackboneError(
            f"the engine {REFERENCE} does not compute in int8",
            hint="Use --engine auto, or --precision float32 or bfloat16.",
        )


def _check_is_here(label: str, found: Calibration, wanted: str) -> None:
    if wanted not in ("auto", found.engine):
        raise BackboneError(
            f"{label!r} was calibrated for the engine {found.engine}, not {wanted}",
            hint=f"Use --engine {found.engine}.",
        )
    provider = PROVIDERS[found.engine]
    if problem := provider.problem():
        raise BackboneError(f"the engine {found.engine} {problem}", hint=provider.install)
