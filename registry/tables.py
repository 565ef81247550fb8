"""The tables; every constraint has a name, so that a migration can find it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC: stored without a zone (SQLite keeps none), read back with one."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def created_at() -> Column[datetime]:
    return Column("created_at", UTCDateTime, nullable=False, default=now)


DIGEST = String(64)
NAME = String(200)

backbones = Table(
    "backbones",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("version", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("format", String(40), nullable=False),
    Column("artifact_digest", DIGEST, nullable=False),
    Column("artifact_size", BigInteger, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("preprocessing", JSON, nullable=False),
    Column("preprocessing_fingerprint", DIGEST, nullable=False),
    Column("licence", String(200)),
    Column("warnings", JSON, nullable=False),
    Column("trust", JSON(none_as_null=True)),
    created_at(),
    UniqueConstraint("name", "version"),
)

backbone_aliases = Table(
    "backbone_aliases",
    metadata,
    Column("alias", NAME, primary_key=True),
    Column("backbone_id", ForeignKey("backbones.id", ondelete="CASCADE"), nullable=False),
    Index(None, "backbone_id"),
)

cut_points = Table(
    "cut_points",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("backbone_id", ForeignKey("backbones.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("operation", NAME, nullable=False),
    Column("input", Text),
    Column("shape", JSON, nullable=False),
    Column("dtype", String(20), nullable=False),
    Column("parameters_below", BigInteger, nullable=False),
    Column("fingerprint", DIGEST, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("is_bottleneck", Boolean, nullable=False),
    Column("compute_below", Float),
    Column("reason", Text),
    Column("warning", Text),
    Column("default_of", JSON(none_as_null=True)),
    Column("mask", Text),
    Column("pooling", Text),
    UniqueConstraint("backbone_id", "position"),
    Index(None, "fingerprint"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("source", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("manifest", String(80), nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("unique_samples", BigInteger, nullable=False),
    Column("classes", JSON, nullable=False),
    created_at(),
)

feature_sets = Table(
    "feature_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("feature_key", DIGEST, nullable=False, unique=True),
    Column("backbone", NAME, nullable=False),
    Column("cut", Text, nullable=False),
    Column("cut_fingerprint", DIGEST, nullable=False),
    Column("trunk_fingerprint", DIGEST, nullable=False),
    Column("preprocessing", JSON, nullable=False),
    Column("preprocessing_fingerprint", DIGEST, nullable=False),
    Column("precision", String(20), nullable=False),
    Column("view", Integer, nullable=False),
    Column("shape", JSON, nullable=False),
    Column("dtype", String(20), nullable=False),
    Column("storage", String(20), nullable=False, server_default="float32"),
    Column("compression", String(20), nullable=False, server_default="none"),
    Column("used_at", UTCDateTime),
    created_at(),
    Index(None, "cut_fingerprint"),
)

shards = Table(
    "shards",
    metadata,
    Column("shard_id", DIGEST, primary_key=True),
    Column("feature_set_id", ForeignKey("feature_sets.id", ondelete="CASCADE"), nullable=False),
    Column("file", String(300), nullable=False, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", DIGEST, nullable=False),
    Column("engine", NAME, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("status", String(20), nullable=False),
    created_at(),
    Index(None, "feature_set_id"),
)

leases = Table(
    "leases",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("owner", NAME, nullable=False),
    Column("granted_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("job", Integer),
    Column("process", Integer),
    Column("begun_at", Float),
    Column("committed", BigInteger, nullable=False, server_default="0"),
)

claims = Table(
    "claims",
    metadata,
    Column("feature_key", DIGEST, primary_key=True),
    Column("digest", DIGEST, primary_key=True),
    Column("lease", ForeignKey("leases.token", ondelete="CASCADE"), nullable=False),
    Index(None, "lease"),
)

failures = Table(
    "failures",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("preprocessing_fingerprint", DIGEST, primary_key=True),
    Column("reason", Text, nullable=False),
    created_at(),
)

heads = Table(
    "heads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("backbone_id", ForeignKey("backbones.id", ondelete="SET NULL")),
    Column("backbone", NAME, nullable=False),
    Column("cut", Text, nullable=False),
    Column("feature_key", DIGEST, nullable=False),
    Column("dataset", NAME, nullable=False),
    Column("dataset_digest", DIGEST, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("classes", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("artifact_digest", DIGEST, nullable=False),
    Column("artifact_size", BigInteger, nullable=False),
    created_at(),
    UniqueConstraint("name", "version"),
    Index(None, "backbone_id"),
)

head_aliases = Table(
    "head_aliases",
    metadata,
    Column("alias", NAME, primary_key=True),
    Column("head_id", ForeignKey("heads.id", ondelete="CASCADE"), nullable=False),
    Index(None, "head_id"),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset", NAME, nullable=False),
    Column("dataset_digest", DIGEST, nullable=False),
    Column("trying", JSON, nullable=False),
    Column("heads", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("versions", JSON, nullable=False),
    created_at(),
)

trials = Table(
    "trials",
    metadata,
    Column("sweep_id", ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("features", Text, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("accuracy", Float, nullable=False),
    Column("accuracy_low", Float, nullable=False),
    Column("accuracy_high", Float, nullable=False),
    Column("log_loss", Float, nullable=False),
    Column("is_worse", Boolean, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("dataset", NAME, nullable=False),
    Column("status", String(20), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("versions", JSON, nullable=False),
    created_at(),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("dataset", NAME, nullable=False),
    Column("dataset_digest", DIGEST, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("error", Text),
    Column("result", JSON(none_as_null=True)),
    Column("user", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("versions", JSON, nullable=False),
    created_at(),
    Column("updated_at", UTCDateTime, nullable=False, default=now, onupdate=now),
    Index(None, "state"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", DIGEST, primary_key=True),
    Column("tries", Integer, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("holder", String(32), primary_key=True),
    Column("is_alone", Boolean, nullable=False),
    Column("owner", Text, nullable=False),
    Column("granted_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "holder"),
)

numbers = Table(
    "numbers",
    metadata,
    Column("what", String(40), primary_key=True),
    Column("last", Integer, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset", NAME, nullable=False),
    Column("sample", Text, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("action", String(20), nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("state", String(20), nullable=False),
    Column("version", DIGEST),
    Column("user", Text, nullable=False),
    Column("host", Text, nullable=False),
    created_at(),
    Index(None, "dataset"),
)

identity = Table(
    "identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1: there is one row
    Column("uuid", String(36), nullable=False),
    Column("root", Text, nullable=False),
    Column("host", Text, nullable=False),
    created_at(),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("object", Text, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    created_at(),
    Index(None, "object"),
    Index(None, "created_at"),
)


def _tags(kind: str) -> Table:
    """Those of one kind of things that are registered."""
    return Table(
        f"{kind}_tags",
        metadata,
        Column(f"{kind}_id", ForeignKey(f"{kind}s.id", ondelete="CASCADE"), primary_key=True),
        Column("key", NAME, primary_key=True),
        Column("value", Text, nullable=False),
    )


TAGS = {kind: _tags(kind) for kind in ("backbone", "dataset", "head", "sweep")}
"""By the kind of what they are of."""
