"""The rows that an extraction depends on, as they are, by SQLite's own driver.

For whoever asks whether anything is another than it was: to import SQLAlchemy takes longer than the
question may. A database on a server is not asked so, and neither is one of another schema.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from headstart.config import Config
from headstart.registry.connection.refusals import opened
from headstart.registry.schema import HEAD

USED_EVERY = timedelta(hours=1)
"""The time of last use is written at most so often: readers should not have to wait for writers."""
BUSY_SECONDS = 60
"""So long a question waits for who has locked the database."""
NAMED = """
SELECT id FROM backbones WHERE name = :backbone
UNION SELECT backbone_id FROM backbone_aliases WHERE alias = :backbone
"""
SETS = "SELECT id FROM feature_sets WHERE feature_key IN (SELECT value FROM json_each(:keys))"
TABLES = {
    "schema": "SELECT version_num FROM alembic_version",
    "identity": "SELECT * FROM identity",
    "backbones": f"SELECT * FROM backbones WHERE id IN ({NAMED}) ORDER BY id",
    "aliases": "SELECT * FROM backbone_aliases WHERE alias = :backbone",
    "cut_points": f"SELECT * FROM cut_points WHERE backbone_id IN ({NAMED}) ORDER BY id",
    "datasets": "SELECT * FROM datasets WHERE name = :dataset",
    "feature_sets": f"SELECT * FROM feature_sets WHERE id IN ({SETS}) ORDER BY id",
    "shards": f"SELECT * FROM shards WHERE feature_set_id IN ({SETS}) ORDER BY file",
}
Rows = dict[str, list[dict[str, Any]]]


def find_rows(
    config: Config, backbone: str, dataset: str, feature_keys: Collection[str]
) -> Rows | None:
    """Rows by table: all versions of a backbone with their cut points, a dataset, feature sets with
    their shards. None where they cannot be had so; whoever asks properly is told why.

    When a set was last used is not among it, as reading writes that: see `is_used_lately`.

    Args:
        config: of the workspace.
        backbone: its name or an alias.
        dataset: its name.
        feature_keys: of the sets.
    """
    if config.sqlite_file is None or not config.sqlite_file.exists():
        return None
    asked = {"backbone": backbone, "dataset": dataset, "keys": json.dumps([*feature_keys])}
    address = str(config.sqlite_uri)
    try:
        opening = opened(lambda: sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True))
        with closing(opening) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # one snapshot
            found = {
                table: [dict(row) for row in connection.execute(query, asked)]
                for table, query in TABLES.items()
            }
    except sqlite3.Error:
        return None
    is_ours = [row["version_num"] for row in found["schema"]] == [HEAD]
    return found if is_ours else None


def is_used_lately(rows: Rows, feature_key: str) -> bool:
    """Whether nobody would write down that a feature set is used now."""
    times = [row["used_at"] for row in rows["feature_sets"] if row["feature_key"] == feature_key]
    since = datetime.now(UTC) - USED_EVERY
    return any(time and datetime.fromisoformat(time).replace(tzinfo=UTC) > since for time in times)
