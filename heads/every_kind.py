"""The kinds of heads by name."""

from __future__ import annotations

from typing import Any

from headstart.heads.linear import Linear
from headstart.heads.mlp import MLP
from headstart.heads.one_layer import SVM, Prototype, Ridge

KINDS: dict[str, Any] = {kind.kind: kind for kind in (Linear, MLP, Prototype, Ridge, SVM)}
