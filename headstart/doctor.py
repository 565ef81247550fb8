"""Looking at an installation and a workspace: what is there, what is wrong."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from headstart.config import Config, load_config
from headstart.errors import HeadstartError

PACKAGES = (
    "tensorflow",
    "keras",
    "sqlalchemy",
    "alembic",
    "h5py",
    "numpy",
    "pillow",
    "scikit-learn",
)
ENOUGH_SPACE = 1 << 30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool


def examine(root: Path) -> list[Check]:
    """All checks, the installation's first; nothing is changed."""
    checks = [Check("Python", platform.python_version(), True)]
    checks += [_package(name) for name in PACKAGES]
    try:
        config = load_config(root)
    except HeadstartError as error:
        return [*checks, Check("workspace", str(error), False)]
    free = shutil.disk_usage(config.root).free
    checks.append(Check("workspace", str(config.root), True))
    checks.append(Check("free space", f"{free / (1 << 30):.1f} GiB", free > ENOUGH_SPACE))
    return checks + _registry(config)


def _package(name: str) -> Check:
    try:
        return Check(name, importlib.metadata.version(name), True)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "not installed", False)


def _registry(config: Config) -> list[Check]:
    from headstart.registry import schema
    from headstart.registry.backbones import BackboneRepository
    from headstart.registry.database import Database
    from headstart.registry.features import FeatureRepository

    try:
        schema.check(lambda: schema.current(config))
        database = Database(config)
        backbones = BackboneRepository(database).find_all()
        features = FeatureRepository(database)
        shards = [s for each in features.find_sets() for s in features.find_shards(each.id)]
    except HeadstartError as error:
        return [Check("database", str(error), False)]
    stored = {file.stem for file in config.artifacts.rglob("*") if file.is_file()}
    lost = [b.label for b in backbones if b.artifact_digest not in stored]
    gone = [s.file for s in shards if not (config.features / s.file).exists()]
    return [
        Check("database", f"schema {schema.HEAD}", True),
        Check("model files", _lost(len(backbones), lost), not lost),
        Check("shards", _lost(len(shards), gone), not gone),
    ]


def _lost(count: int, lost: list[str]) -> str:
    return f"{count} registered" + (f", missing: {', '.join(lost[:3])}" if lost else "")
