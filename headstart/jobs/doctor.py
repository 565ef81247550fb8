"""Looking at an installation and a workspace: what is there, what is wrong."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.config import CONFIG_FILE, Config, load_config
from headstart.errors import HeadstartError
from headstart.extractors.backbones.pooling import POOLINGS
from headstart.extractors.datasets import SOURCES
from headstart.extractors.engines.providers import PROVIDERS
from headstart.extractors.preprocessing.steps import files_of
from headstart.extractors.safety.confinement import PROTECTIONS, offered
from headstart.heads.kinds.every_kind import KINDS
from headstart.plugins import Plugins
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.artifacts import ArtifactStore
from headstart.storage.contents import Contents
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.local_copies import cache_bytes, cache_folder
from headstart.storage.objects.probe import owner_of
from headstart.values.showable import Results, Showable
from headstart.values.variables import TAKES, problem_of, problem_of_user

PACKAGES = (
    "tensorflow",
    "keras",
    "sqlalchemy",
    "alembic",
    "h5py",
    "numpy",
    "pillow",
    "pyarrow",
    "scikit-learn",
)
EXTRAS = {
    "openvino": "cpu",
    "keras-hub": "hub",
    "tokenizers": "text",
    "soundfile": "audio",
    "psycopg": "postgres",
    "hdf5plugin": "compress",
    "datasets": "huggingface",
    "obstore": "cloud",
    "ray": "ray",
    "tensorflow-datasets": "tfds",
    "av": "video",
}
"""Packages that some backbones or workspaces want, and the extra that brings each."""
ENOUGH_SPACE = 1 << 30
WORKSPACE = "workspace"


@dataclass(frozen=True)
class Check(Showable):
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool

    def _line(self) -> str:
        return f"{'ok' if self.ok else 'WRONG'}, {self.what}: {self.found}"


def examine(root: Path) -> Results[Check]:
    """All checks, the installation's first; nothing is changed."""
    checks = [Check("Python", platform.python_version(), True)]
    checks += [_package(name) for name in PACKAGES]
    checks += [_optional(name, extra) for name, extra in EXTRAS.items()]
    checks += _protections()
    checks += [
        check for plugins in (SOURCES, POOLINGS, PROVIDERS, KINDS) for check in _plugins(plugins)
    ]
    return Results([*checks, *examine_workspace(root)])


def examine_workspace(root: Path) -> Results[Check]:
    """Those of the workspace and its settings alone, which take some milliseconds."""
    checks = _settings()
    try:
        config = load_config(root)
    except HeadstartError as error:
        return Results([*checks, Check(WORKSPACE, str(error), False)])
    free = shutil.disk_usage(config.root).free
    checks.append(Check(WORKSPACE, str(config.root), True))
    checks.append(Check("free space", f"{free / (1 << 30):.1f} GiB", free > ENOUGH_SPACE))
    return Results([*checks, *_registry(config)])


def verdict(checks: Sequence[Check], root: Path) -> str:
    """What is wrong, in a line; empty where nothing is."""
    wrong = [check.what for check in checks if not check.ok]
    if wrong == [WORKSPACE] and not (root / CONFIG_FILE).exists():
        return "no workspace yet: `headstart init` makes one; all else is well"
    return "something is wrong, see above" if wrong else ""


def _settings() -> list[Check]:
    """What variables and the user's own configuration say that cannot be used."""
    problems = {f"${name}": problem_of(name) for name in TAKES} | {"config": problem_of_user()}
    return [Check(name, problem, False) for name, problem in problems.items() if problem]


def _package(name: str) -> Check:
    try:
        return Check(name, importlib.metadata.version(name), True)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "not installed", False)


def _optional(name: str, extra: str) -> Check:
    check = _package(name)
    return check if check.ok else Check(name, f"not installed (extra {extra})", True)


def _protections() -> list[Check]:
    """What this system gives to hold a model that is not trusted; less is no fault of it."""
    given = offered()
    return [
        Check(f"untrusted models: {name}", "yes" if name in given else "not on this system", True)
        for name in PROTECTIONS
    ]


def _plugins(plugins: Plugins[Any]) -> list[Check]:
    """The implementations of a seam: ours in a line, and each of another package in one."""
    what = plugins.what
    try:
        found = plugins.found()
    except HeadstartError as error:
        return [Check(f"{what}s", str(error), False)]
    ours = ", ".join(plugin.name for plugin in found if plugin.is_ours)
    others = [
        Check(
            f"{what} {plugin.name}",
            f"from {plugin.package}{': ' if plugin.problem else ''}{plugin.problem}",
            not plugin.problem,
        )
        for plugin in found
        if not plugin.is_ours
    ]
    return [Check(f"{what}s", ours, True), *others]


def _registry(config: Config) -> list[Check]:
    from headstart.context import own_holds, own_store
    from headstart.registry import schema
    from headstart.registry.audit import identity
    from headstart.registry.backbones import BackboneRepository
    from headstart.registry.database import Database
    from headstart.registry.datasets import DatasetRepository
    from headstart.registry.features import FeatureRepository

    try:
        schema.check(lambda: schema.current(config))
        identity.check(config)
        database = Database(config)
        backbones = BackboneRepository(database).find_all()
        datasets = DatasetRepository(database).find_all()
        features = FeatureRepository(database)
        shards = [s for each in features.find_sets() for s in features.find_shards(each.id)]
    except HeadstartError as error:
        return [Check("database", str(error), False)]
    bucket = None if config.store is None else Bucket(parse(config.store))
    try:
        stored = {one.path.stem for one in ArtifactStore(config.artifacts, bucket).stored()}
        store = own_store(config, bucket, own_holds(config, database))
        gone = [s.file for s in shards if not store.stat_of(s.file)]
    except HeadstartError as error:
        return [Check("database", _schema(config), True), Check("store", str(error), False)]
    lost = [b.label for b in backbones if not {b.artifact_digest, *_parts(b)} <= stored]
    return [
        Check("database", _schema(config), True),
        *_store(config, bucket),
        Check("model files", _lost(len(backbones), lost), not lost),
        Check("shards", _lost(len(shards), gone), not gone),
        _contents(config, datasets),
    ]


def _schema(config: Config) -> str:
    """At which schema the database is, and which project in it this is."""
    from headstart.registry import schema

    own = "" if config.namespace is None else f", namespace {config.namespace}"
    return f"schema {schema.HEAD}{own}"


def _store(config: Config, bucket: Bucket | None) -> list[Check]:
    """The object store, of which a listing was had already: whether it is this workspace's."""
    if bucket is None:
        return []
    try:
        owner = owner_of(bucket)
    except HeadstartError as error:
        return [Check("store", str(error), False)]
    if owner != config.id:
        found = f"{config.store} is of another workspace ({owner or 'it does not say'})"
        return [Check("store", found, False)]
    most = f"{cache_bytes() / (1 << 30):.1f} GiB"
    cache = f"copies in {cache_folder(config.root)}, at most {most}"
    return [Check("store", f"{config.store}; {cache}", True)]


def _contents(config: Config, datasets: Sequence[Dataset]) -> Check:
    """What datasets in memory held, which nobody else has, and what was fetched."""
    contents = Contents(config.contents)
    kept = {one.name: contents.find_name(one.source) for one in datasets}
    names = {name: file for name, file in kept.items() if file is not None}
    lost = [name for name, file in names.items() if not (contents.folder / file).exists()]
    return Check("contents of datasets in memory", _lost(len(names), lost), not lost)


def _parts(backbone: Backbone) -> list[str]:
    """sha256 of the files that the backbone's preprocessing needs, such as its tokenizer."""
    from headstart.extractors.preprocessing.pipeline import Preprocessing

    pipeline = Preprocessing.from_json(backbone.preprocessing)
    return [digest for steps in pipeline.chains.values() for digest in files_of(steps)]


def _lost(count: int, lost: list[str]) -> str:
    return f"{count} registered" + (f", missing: {', '.join(lost[:3])}" if lost else "")
