"""`head.log`: a head's settings, scores and lineage in an MLflow tracking server."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import HeadError, first_line
from headstart.heads.models.cards import model_card
from headstart.paths import one_below
from headstart.storage.scratch import scratch_folder
from headstart.trained_head import TrainedHead
from headstart.values.calls import user_name
from headstart.values.installed import version_of
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Logged(Showable):
    """A run in MLflow.

    Attributes:
        run: its id.
        is_new: whether it was made now; a head that was logged there before keeps its run.
    """

    run: str
    is_new: bool = True


PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Seconds, and tries, by which a server that is not there is noticed, unless the environment says
otherwise; MLflow's own are 120 s and 7 (https://mlflow.org/docs/latest/api_reference/)."""
MODEL = "model"
"""Where the model lies among a run's artifacts: `mlflow models serve -m runs:/RUN/model`."""
NEEDED = ("tensorflow", "keras", "numpy")
"""Packages of which an attached model is made, and no others."""
SAME = "headstart.head"
"""The tag by which a head's run is found again: workspace, name, version and sha256."""


def log(head: TrainedHead, uri: str | None, experiment: str, *, model: bool = False) -> Logged:
    """Put a head into a tracking server; see `Head.log`, which gives the run's id."""
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise HeadError("mlflow is not installed", hint="pip install 'headstart[mlflow]'") from None
    backbone, *others = (one.backbone for one in head.blocks())
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of its own tables
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what MLflow itself calls
            card = model_card(head.record, backbone, others=others)
            with _bounded():
                client = MlflowClient(uri)
                done = _write(client, head, card, experiment)
                if model:
                    _write_model(client, head, done.run)
                return done
    except ImportError as error:  # of what MLflow needs for models alone
        raise HeadError(
            f"{error.name} is not installed, which MLflow's models need",
            hint="pip install 'headstart[mlflow]'",
        ) from None
    except (MlflowException, OSError) as error:
        raise HeadError(
            f"cannot log into {uri or 'MLflow'}: {first_line(error)}",
            hint="Check the tracking server's address, and that it runs; "
            "$MLFLOW_HTTP_REQUEST_TIMEOUT (seconds) and $MLFLOW_HTTP_REQUEST_MAX_RETRIES say how "
            "long it is waited for.",
        ) from error


@contextmanager
def _bounded() -> Iterator[None]:
    """MLflow asks its environment how long it waits; what stands there already holds."""
    added = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _write(client: Any, head: TrainedHead, card: str, experiment: str) -> Logged:
    """Make a run of it, unless the experiment has one."""
    found = client.get_experiment_by_name(experiment)
    number = client.create_experiment(experiment) if found is None else found.experiment_id
    record = head.record
    same = f"{head.context.config.id} {record.name}:{record.version} {record.artifact_digest}"
    wanted = f"tags.`{SAME}` = '{same}' and attributes.status = 'FINISHED'"
    known = client.search_runs([number], wanted, max_results=1)
    if known:
        return Logged(known[0].info.run_id, is_new=False)
    run = client.create_run(
        number,
        run_name=f"{record.name}:{record.version}",
        tags={"mlflow.user": user_name(), SAME: same},
    ).info.run_id
    for name, value in _parameters(head).items():
        client.log_param(run, name, value)
    for name, value in head.metrics.items():
        if isinstance(value, int | float):
            client.log_metric(run, name, value)
    for name, ends in head.metrics.get("intervals", {}).items():
        for side, end in zip(("low", "high"), ends, strict=True):
            client.log_metric(run, f"{name}_{side}", end)
    for name, value in _tags(head).items():
        client.set_tag(run, f"headstart.{name}", value)
    client.log_text(run, card, f"{record.name}.md")
    client.set_terminated(run)
    return Logged(run)


def _write_model(client: Any, head: TrainedHead, run: str) -> None:
    """Put the attached model beside the rest, as one that `mlflow models serve` runs; once."""
    if any(one.path == MODEL for one in client.list_artifacts(run)):
        return
    from headstart.jobs.heads.attach import attach

    attached = attach(head).model
    with scratch_folder() as folder:
        _save(attached, one_below(folder, MODEL))
        client.log_artifacts(run, str(folder))


def _save(model: Any, place: Path) -> None:
    """Write a Keras model in MLflow's own form, with what goes in and which packages it needs
    (https://mlflow.org/docs/latest/ml/model/)."""
    import numpy as np
    from mlflow import tensorflow as flavour
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    def schema(tensors: list[Any], *, named: bool) -> Schema:
        return Schema(
            [
                TensorSpec(
                    np.dtype(object if one.dtype == "string" else one.dtype),
                    tuple(-1 if size is None else size for size in one.shape),
                    one.name if named else None,
                )
                for one in tensors
            ]
        )

    is_named = len(model.inputs) > 1
    signature = ModelSignature(
        schema(model.inputs, named=is_named), schema(model.outputs, named=False)
    )
    packages = [f"{name}=={version_of(name)}" for name in NEEDED]
    flavour.save_model(model, str(place), signature=signature, pip_requirements=packages)


def _parameters(head: TrainedHead) -> dict[str, Any]:
    """Settings that fit into a cell; histories and paths stay in the workspace."""
    short = {
        name: value
        for name, value in head.record.settings.items()
        if isinstance(value, str | int | float) or (isinstance(value, list) and len(value) <= 20)
    }
    plain = {name: value for name, value in short.items() if "{" not in str(value)}
    return {"kind": head.record.kind, "seed": head.record.seed, **plain}


def _tags(head: TrainedHead) -> dict[str, str]:
    record = head.record
    return {
        "backbone": record.backbone,
        "cut": record.cut,
        "feature_key": record.feature_key,
        "dataset": record.dataset,
        "dataset_digest": record.dataset_digest,
        **({"parent": record.settings["parent"]} if head.is_tuned else {}),
        **{f"version.{name}": str(version) for name, version in record.versions.items()},
    }
