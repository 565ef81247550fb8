"""The listings: plain SQL over the database's own driver.

Importing SQLAlchemy costs a third of a second, more than a listing may take in all. The
statements here read only and are plain enough for both databases; on SQLite they go straight to
the driver, elsewhere through the engine. A test compares them with the repositories.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from math import prod
from typing import Any, TypedDict

from headstart.config import Config
from headstart.errors import WorkspaceError
from headstart.registry import schema
from headstart.registry.entities import WINDOWED
from headstart.registry.refusals import kind_of_sqlite, opened
from headstart.values.showable import Results


class BackboneRow(TypedDict):
    """A version of a backbone, as listings have it."""

    name: str
    version: int
    format: str
    source: str
    inputs: list[dict[str, Any]]
    parameters: int
    licence: str | None
    artifact_size: int
    preprocessing: dict[str, Any]
    created_at: str
    cut: str | None
    cut_shape: list[int | None] | None
    aliases: list[str]


class DatasetRow(TypedDict):
    """A dataset, as listings have it."""

    name: str
    kind: str
    source: str
    digest: str
    samples: int
    unique_samples: int
    classes: list[str]
    created_at: str
    windows: bool


class FeatureRow(TypedDict):
    """A feature set, as listings have it."""

    feature_key: str
    backbone: str
    cut: str
    shape: list[int]
    precision: str
    view: int
    created_at: str
    shards: int
    rows: int
    size: int


class HeadRow(TypedDict):
    """A version of a head, as listings have it."""

    name: str
    version: int
    kind: str
    backbone: str
    cut: str
    dataset: str
    metrics: dict[str, Any]
    created_at: str
    aliases: list[str]
    void: bool


Fetch = Callable[[str], list[dict[str, Any]]]
Rows = Results[dict[str, Any]]

BACKBONES = """
SELECT b.name, b.version, b.format, b.source, b.inputs, b.parameters, b.licence, b.artifact_size,
       b.preprocessing, b.created_at, c.name AS cut, c.shape AS cut_shape, c.pooling
FROM backbones b LEFT JOIN cut_points c ON c.backbone_id = b.id AND c.is_default
ORDER BY b.name, b.version
"""
ALIASES = """
SELECT a.alias, b.name, b.version FROM backbone_aliases a JOIN backbones b ON b.id = a.backbone_id
ORDER BY a.alias
"""
DATASETS = """
SELECT name, kind, source, digest, samples, unique_samples, classes, created_at, options
FROM datasets ORDER BY name
"""
FEATURES = """
SELECT f.feature_key, f.backbone, f.cut, f.shape, f.precision, f.view, f.created_at,
       COALESCE(s.shards, 0) AS shards, COALESCE(s.rows, 0) AS rows, COALESCE(s.size, 0) AS size
FROM feature_sets f LEFT JOIN (
    SELECT feature_set_id, COUNT(*) AS shards, CAST(SUM(rows) AS BIGINT) AS rows,
           CAST(SUM(size) AS BIGINT) AS size
    FROM shards WHERE status = 'committed' GROUP BY feature_set_id
) s ON s.feature_set_id = f.id
ORDER BY f.id
"""
HEADS = """
SELECT name, version, kind, backbone, cut, dataset, metrics, created_at
FROM heads ORDER BY name, version
"""
EXTRACTIONS = """
SELECT subject, counts, seconds FROM runs WHERE kind = 'extract' AND status = 'done'
"""
HEAD_ALIASES = """
SELECT a.alias, h.name, h.version FROM head_aliases a JOIN heads h ON h.id = a.head_id
ORDER BY a.alias
"""
BUSY_SECONDS = 60
"""So long a listing waits for who has locked the database."""
OF_CHANNELS = {"gap", "gmp", "mean", "max", "cls", "last"}
"""Poolings of ours that give a number for each channel."""
JSON_COLUMNS = {
    "inputs",
    "preprocessing",
    "cut_shape",
    "shape",
    "classes",
    "metrics",
    "counts",
    "options",
}


def backbones(config: Config) -> Rows:
    return Results(_read(config, lambda fetch: _with_aliases(fetch(BACKBONES), fetch(ALIASES))))


def datasets(config: Config) -> Rows:
    """All of them; `windows` says that their samples are windows."""

    def counted(fetch: Fetch) -> list[dict[str, Any]]:
        found = [(row, row.pop("options")) for row in fetch(DATASETS)]
        return [{**row, "windows": bool(WINDOWED & set(options))} for row, options in found]

    return Results(_read(config, counted))


def features(config: Config) -> Rows:
    return Results(_read(config, lambda fetch: fetch(FEATURES)))


def heads(config: Config) -> Rows:
    return Results(_read(config, _heads))


def _heads(fetch: Fetch) -> list[dict[str, Any]]:
    voided = {
        (row["name"], head)
        for row in fetch("SELECT name, options FROM datasets")
        for head in row["options"].get("voided", ())
    }
    return [
        {**row, "void": (row["dataset"], f"{row['name']}:{row['version']}") in voided}
        for row in _with_aliases(fetch(HEADS), fetch(HEAD_ALIASES))
    ]


def cuts(config: Config, name: str) -> list[str]:
    """The names of a backbone's cut points, from the input upwards; none where it is not known."""

    def ask(fetch: Fetch) -> list[dict[str, Any]]:
        known = {
            called: row["id"]
            for row in fetch("SELECT id, name, version FROM backbones ORDER BY name, version")
            for called in (row["name"], f"{row['name']}:{row['version']}")
        }
        aliases = fetch("SELECT alias, backbone_id FROM backbone_aliases")
        known.update({row["alias"]: row["backbone_id"] for row in aliases})
        if name not in known:
            return []
        of = f"WHERE backbone_id = {int(known[name])}"
        return fetch(f"SELECT name FROM cut_points {of} ORDER BY position")

    return [row["name"] for row in _read(config, ask)]


def speeds(config: Config) -> dict[str, float]:
    """Samples a second of the largest extraction here, by the source of the backbone."""
    found: dict[str, tuple[int, float]] = {}

    def ask(fetch: Fetch) -> list[dict[str, Any]]:
        known = _with_aliases(fetch(BACKBONES), fetch(ALIASES))  # latest versions last
        sources = {
            name: row["source"]
            for row in known
            for name in (row["name"], f"{row['name']}:{row['version']}", *row["aliases"])
        }
        for run in fetch(EXTRACTIONS):
            source = sources.get(run["subject"].partition("@")[0])
            computed = run["counts"].get("computed", 0)
            if source and run["seconds"] and computed > found.get(source, (0, 0.0))[0]:
                found[source] = computed, computed / run["seconds"]
        return []

    _read(config, ask)
    return {source: rate for source, (_, rate) in found.items()}


def glance(config: Config) -> dict[str, list[str]] | None:
    """The names of backbones, datasets and heads, for one line about a workspace.

    None where asking could take long or go wrong: the database is a server, is not there, or is
    just locked by somebody. It is for `repr`, which a debugger may call at any time.
    """
    if config.sqlite_file is None or not config.sqlite_file.exists():
        return None
    try:
        with closing(sqlite3.connect(str(config.sqlite_uri), timeout=0, uri=True)) as connection:
            names = "SELECT DISTINCT name FROM {} ORDER BY name"
            return {
                table: [name for (name,) in connection.execute(names.format(table))]
                for table in ("backbones", "datasets", "heads")
            }
    except (sqlite3.Error, WorkspaceError):
        return None


def _with_aliases(
    rows: list[dict[str, Any]], aliases: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    known: dict[tuple[str, int], list[str]] = {}
    for row in aliases:
        known.setdefault((row["name"], row["version"]), []).append(row["alias"])
    return [
        {**_pooled(row), "aliases": known.get((row["name"], row["version"]), [])} for row in rows
    ]


def _pooled(row: dict[str, Any]) -> dict[str, Any]:
    """A backbone's row with the name and the shape of its default cut as it is extracted."""
    pooling = row.pop("pooling", None)
    if pooling is None:
        return row
    sizes = row["cut_shape"]
    if pooling == "flatten":
        shape = [None if None in sizes else prod(sizes)]
    else:  # what a plug-in's pooling gives, only the plug-in knows
        shape = sizes[-1:] if pooling in OF_CHANNELS else [None]
    return {**row, "cut": f"{row['cut']}|{pooling}", "cut_shape": shape}


def _read(config: Config, query: Callable[[Fetch], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if config.sqlite_file is None:
        return _read_through_engine(config, query)
    schema.check_there(config)
    try:
        address = str(config.sqlite_uri)
        opening = opened(lambda: sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True))
        with closing(opening) as connection:
            connection.row_factory = sqlite3.Row

            def fetch(sql: str) -> list[dict[str, Any]]:
                return [_decode(dict(row)) for row in connection.execute(sql)]

            has_schema = fetch("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
            schema.check(lambda: _revision(fetch) if has_schema else None)
            return query(fetch)
    except sqlite3.Error as error:
        raise kind_of_sqlite(error)(
            f"cannot read {config.sqlite_file}: {error}", hint="See `headstart doctor`."
        ) from error


def _read_through_engine(
    config: Config, query: Callable[[Fetch], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    from headstart.registry.database import Database

    database = Database(config)
    try:
        schema.check(lambda: schema.current(config))
        with database.reading() as connection:
            return query(
                lambda sql: [_decode(dict(row._mapping)) for row in connection.exec_driver_sql(sql)]
            )
    finally:
        database.close()


def _revision(fetch: Fetch) -> str | None:
    rows = fetch("SELECT version_num FROM alembic_version")
    return rows[0]["version_num"] if rows else None


def _decode(row: dict[str, Any]) -> dict[str, Any]:
    for key in JSON_COLUMNS & row.keys():
        if isinstance(row[key], str):
            row[key] = json.loads(row[key])
    if "created_at" in row:
        made = datetime.fromisoformat(str(row["created_at"])).replace(tzinfo=UTC)
        row["created_at"] = made.isoformat()
    return row
