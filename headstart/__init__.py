"""Headstart: run every backbone once; train as many heads as you like.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.candidates import Trying
    from headstart.extractors.settings import Settings
    from headstart.head import Head
    from headstart.heads.finetuning import FineTuning
    from headstart.heads.linear import Linear
    from headstart.heads.mlp import MLP
    from headstart.heads.nearest import Neighbours
    from headstart.heads.one_layer import SVM, Prototype, Ridge
    from headstart.heads.tasks import Classification, MultiLabel, Ordinal, Regression
    from headstart.storage.views import FeatureView
    from headstart.workspace import Workspace, init, open

__version__ = "0.1.0"

if not Path(__file__).with_name("registry").exists():
    # Imported from a checkout's root, which Python puts on the path before the installed package:
    # there the other folders lie beside this one, not in it.
    __path__.append(str(Path(__file__).parent.parent))

__all__ = [
    "MLP",
    "SVM",
    "Classification",
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
    "Trying",
    "Workspace",
    "__version__",
    "init",
    "open",
]

# Imported at first use: `import headstart` and `headstart --help` must cost nothing.
_HOMES = {
    "Classification": "headstart.heads.tasks",
    "FeatureView": "headstart.storage.views",
    "FineTuning": "headstart.heads.finetuning",
    "Head": "headstart.head",
    "Linear": "headstart.heads.linear",
    "MLP": "headstart.heads.mlp",
    "MultiLabel": "headstart.heads.tasks",
    "Neighbours": "headstart.heads.nearest",
    "Ordinal": "headstart.heads.tasks",
    "Prototype": "headstart.heads.one_layer",
    "Regression": "headstart.heads.tasks",
    "Ridge": "headstart.heads.one_layer",
    "SVM": "headstart.heads.one_layer",
    "Settings": "headstart.extractors.settings",
    "Trying": "headstart.candidates",
    "Workspace": "headstart.workspace",
    "init": "headstart.workspace",
    "open": "headstart.workspace",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
