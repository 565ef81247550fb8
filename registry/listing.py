"""The listings: plain SQL over the database's own driver.

Importing SQLAlchemy costs a third of a second, more than a listing may take in all. The
statements here read only and are plain enough for both databases; on SQLite they go straight to
the driver, elsewhere through the engine. A test compares them with the repositories.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from math import prod
from typing import Any, Protocol, TypedDict

from headstart.config import Config
from headstart.errors import WorkspaceError
from headstart.registry import schema
from headstart.registry.connection.refusals import kind_of_sqlite, opened
from headstart.registry.entities import WINDOWED
from headstart.registry.rates import seconds_per_sample
from headstart.registry.selection.fields import BACKBONES, DATASETS, HEADS, SWEEPS, Listed
from headstart.registry.selection.statement import statement_of
from headstart.registry.selection.words import ALL, Selection
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
    tags: dict[str, str]


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
    tags: dict[str, str]
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
    tags: dict[str, str]
    void: bool


class SweepRow(TypedDict):
    """A sweep, as it is looked for: with the best of its trials."""

    id: int
    dataset: str
    heads: int
    seconds: float
    created_at: str
    features: str | None
    kind: str | None
    accuracy: float | None
    log_loss: float | None
    tags: dict[str, str]


class Fetch(Protocol):
    """Asks the database."""

    def __call__(self, sql: str, parameters: Sequence[Any] = (), /) -> list[dict[str, Any]]:
        """The rows of a statement with a `?` for each parameter, and no `%`."""
        ...


Rows = Results[dict[str, Any]]

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
EXTRACTIONS = """
SELECT subject, counts, seconds FROM runs WHERE kind = 'extract' AND status = 'done'
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


def backbones(config: Config, selection: Selection = ALL) -> Rows:
    return _listed(config, BACKBONES, selection, _backbones)


def datasets(config: Config, selection: Selection = ALL) -> Rows:
    """All of them; `windows` says that their samples are windows."""
    return _listed(config, DATASETS, selection, _datasets)


def heads(config: Config, selection: Selection = ALL) -> Rows:
    return _listed(config, HEADS, selection, _heads)


def sweeps(config: Config, selection: Selection = ALL) -> Rows:
    return _listed(config, SWEEPS, selection, _tagged)


def features(config: Config) -> Rows:
    return Results(_read(config, lambda fetch: fetch(FEATURES)))


Making = Callable[[Fetch, Listed, list[dict[str, Any]]], list[dict[str, Any]]]


def _listed(config: Config, listed: Listed, selection: Selection, make: Making) -> Rows:
    asked = statement_of(listed, selection)

    def chosen(fetch: Fetch) -> list[dict[str, Any]]:
        return make(fetch, listed, asked.chosen(fetch(asked.sql, asked.parameters)))

    return Results(_read(config, chosen))


def _tagged(fetch: Fetch, listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = f"{listed.kind}_id"
    known: dict[int, dict[str, str]] = {}
    for row in fetch(f"SELECT {own}, key, value FROM {listed.kind}_tags ORDER BY key"):
        known.setdefault(row[own], {})[row["key"]] = row["value"]
    return [{**row, "tags": known.get(row["id"], {})} for row in rows]


def _named(fetch: Fetch, listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their aliases and tags, and without their numbers."""
    own = f"{listed.kind}_id"
    known: dict[int, list[str]] = {}
    for row in fetch(f"SELECT {own}, alias FROM {listed.kind}_aliases ORDER BY alias"):
        known.setdefault(row[own], []).append(row["alias"])
    named = [{**row, "aliases": known.get(row["id"], [])} for row in rows]
    return _unnumbered(_tagged(fetch, listed, named))


def _unnumbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def _backbones(fetch: Fetch, listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_pooled(row) for row in _named(fetch, listed, rows)]


def _datasets(fetch: Fetch, listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [(row, row.pop("options")) for row in _unnumbered(_tagged(fetch, listed, rows))]
    return [{**row, "windows": bool(WINDOWED & set(options))} for row, options in found]


def _heads(fetch: Fetch, listed: Listed, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    voided = {
        (row["name"], head)
        for row in fetch("SELECT name, options FROM datasets")
        for head in row["options"].get("voided", ())
    }
    return [
        {**row, "void": (row["dataset"], f"{row['name']}:{row['version']}") in voided}
        for row in _named(fetch, listed, rows)
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
    """Samples a second of the largest extraction here that was long enough to tell, by the source
    of the backbone; its start is left out."""
    found: dict[str, tuple[int, float]] = {}

    def ask(fetch: Fetch) -> list[dict[str, Any]]:
        rows = fetch(statement_of(BACKBONES, ALL).sql)
        known = _named(fetch, BACKBONES, rows)  # latest versions last
        sources = {
            name: row["source"]
            for row in known
            for name in (row["name"], f"{row['name']}:{row['version']}", *row["aliases"])
        }
        for run in fetch(EXTRACTIONS):
            source = sources.get(run["subject"].partition("@")[0])
            computed = run["counts"].get("computed", 0)
            each = seconds_per_sample(run["counts"], run["seconds"])
            if source and each and computed > found.get(source, (0, 0.0))[0]:
                found[source] = computed, 1 / each
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

            def fetch(sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
                return [_decode(dict(row)) for row in connection.execute(sql, parameters)]

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

            def fetch(sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
                plain = sql.replace("?", "%s") if parameters else sql  # as psycopg writes them
                rows = connection.exec_driver_sql(plain, tuple(parameters) or None)
                return [_decode(dict(row._mapping)) for row in rows]

            return query(fetch)
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
