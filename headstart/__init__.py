"""Headstart: run each backbone once over your data; train any number of small heads on that.

>>> import headstart as hs                          # doctest: +SKIP
>>> ws = hs.init("zoo")
>>> ws.backbones.add("vgg16", "applications:VGG16")
>>> ws.datasets.add("flowers", "photos/")
>>> features = ws.extract("vgg16", "flowers")
>>> head = ws.heads.train("flowers", features, hs.Linear())
>>> model = head.attach()
"""

from __future__ import annotations

import importlib
import os
import warnings

TYPE_CHECKING = False  # as of `typing`, which takes time that nobody can interrupt in one line
if TYPE_CHECKING:
    from typing import Any

    from headstart.cached import join
    from headstart.catalog.head import Head
    from headstart.errors import HeadstartError
    from headstart.extractors.run.settings import Settings
    from headstart.heads.combined.bagged import Bagged
    from headstart.heads.kinds.attentive import Attentive
    from headstart.heads.kinds.linear import Linear
    from headstart.heads.kinds.mlp import MLP
    from headstart.heads.kinds.neighbours import Neighbours
    from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
    from headstart.heads.kinds.of_names.zero_shot import ZeroShot
    from headstart.heads.kinds.prototype import Prototype
    from headstart.heads.kinds.ridge import Ridge
    from headstart.heads.kinds.svm import SVM
    from headstart.heads.models.finetune import FineTuning
    from headstart.heads.regression import Regression
    from headstart.heads.tasks import Classification, MultiLabel, Ordinal
    from headstart.jobs.heads.cross_validation import CrossValidation
    from headstart.storage.views import FeatureView
    from headstart.workspace import Workspace, init, open, restore

__version__ = "0.1.0"

_FOLDER = os.path.dirname(__file__)  # noqa: PTH120
if not os.path.exists(os.path.join(_FOLDER, "registry")):  # noqa: PTH110, PTH118
    # Imported from a checkout's root, which Python puts on the path before the installed package:
    # there the other folders lie beside this one, not in it.
    __path__.append(os.path.dirname(_FOLDER))  # noqa: PTH120

__all__ = [
    "MLP",
    "SVM",
    "Attentive",
    "Bagged",
    "Classification",
    "CrossValidation",
    "FeatureView",
    "FineTuning",
    "Head",
    "HeadstartError",
    "Linear",
    "MultiLabel",
    "Neighbours",
    "Ordinal",
    "Prototype",
    "Regression",
    "Ridge",
    "Settings",
    "TipAdapter",
    "Workspace",
    "ZeroShot",
    "__version__",
    "init",
    "join",
    "open",
    "restore",
]

# Imported at first use: `import headstart` and `headstart --help` must cost nothing.
_HOMES = {
    "Attentive": "headstart.heads.kinds.attentive",
    "Bagged": "headstart.heads.combined.bagged",
    "Classification": "headstart.heads.tasks",
    "FeatureView": "headstart.storage.views",
    "FineTuning": "headstart.heads.models.finetune",
    "Head": "headstart.catalog.head",
    "HeadstartError": "headstart.errors",
    "Linear": "headstart.heads.kinds.linear",
    "MLP": "headstart.heads.kinds.mlp",
    "MultiLabel": "headstart.heads.tasks",
    "Neighbours": "headstart.heads.kinds.neighbours",
    "Ordinal": "headstart.heads.tasks",
    "Prototype": "headstart.heads.kinds.prototype",
    "Regression": "headstart.heads.regression",
    "Ridge": "headstart.heads.kinds.ridge",
    "SVM": "headstart.heads.kinds.svm",
    "Settings": "headstart.extractors.run.settings",
    "CrossValidation": "headstart.jobs.heads.cross_validation",
    "TipAdapter": "headstart.heads.kinds.of_names.tip_adapter",
    "Workspace": "headstart.workspace",
    "ZeroShot": "headstart.heads.kinds.of_names.zero_shot",
    "init": "headstart.workspace",
    "join": "headstart.cached",
    "open": "headstart.workspace",
    "restore": "headstart.workspace",
}


_RENAMED = {"Trying": "CrossValidation"}
"""Names of before; they still work, with a warning."""


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        new = _RENAMED[name]
        warnings.warn(f"hs.{name} is called hs.{new} now", DeprecationWarning, stacklevel=2)
        name = new
    if name == "errors":
        return importlib.import_module("headstart.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
