"""The first schema: backbones, datasets, feature sets, shards, heads and runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backbones",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column("artifact_digest", sa.String(length=64), nullable=False),
        sa.Column("artifact_size", sa.BigInteger(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("preprocessing", sa.JSON(), nullable=False),
        sa.Column("preprocessing_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("licence", sa.String(length=200), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("trust", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backbones")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_backbones_name_version")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.String(length=80), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("unique_samples", sa.BigInteger(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
    )
    op.create_table(
        "failures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("preprocessing_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "preprocessing_fingerprint", name=op.f("pk_failures")),
    )
    op.create_table(
        "feature_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feature_key", sa.String(length=64), nullable=False),
        sa.Column("backbone", sa.String(length=200), nullable=False),
        sa.Column("cut", sa.Text(), nullable=False),
        sa.Column("cut_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("trunk_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("preprocessing", sa.JSON(), nullable=False),
        sa.Column("preprocessing_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("precision", sa.String(length=20), nullable=False),
        sa.Column("view", sa.Integer(), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("dtype", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_sets")),
        sa.UniqueConstraint("feature_key", name=op.f("uq_feature_sets_feature_key")),
    )
    with op.batch_alter_table("feature_sets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_feature_sets_cut_fingerprint"), ["cut_fingerprint"], unique=False
        )

    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_table(
        "backbone_aliases",
        sa.Column("alias", sa.String(length=200), nullable=False),
        sa.Column("backbone_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone_id"],
            ["backbones.id"],
            name=op.f("fk_backbone_aliases_backbone_id_backbones"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_backbone_aliases")),
    )
    with op.batch_alter_table("backbone_aliases", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_backbone_aliases_backbone_id"), ["backbone_id"], unique=False
        )

    op.create_table(
        "backbone_tags",
        sa.Column("backbone_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone_id"],
            ["backbones.id"],
            name=op.f("fk_backbone_tags_backbone_id_backbones"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("backbone_id", "key", name=op.f("pk_backbone_tags")),
    )
    op.create_table(
        "cut_points",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("backbone_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("operation", sa.String(length=200), nullable=False),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("dtype", sa.String(length=20), nullable=False),
        sa.Column("parameters_below", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_bottleneck", sa.Boolean(), nullable=False),
        sa.Column("compute_below", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("warning", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["backbone_id"],
            ["backbones.id"],
            name=op.f("fk_cut_points_backbone_id_backbones"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cut_points")),
        sa.UniqueConstraint(
            "backbone_id", "position", name=op.f("uq_cut_points_backbone_id_position")
        ),
    )
    with op.batch_alter_table("cut_points", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cut_points_fingerprint"), ["fingerprint"], unique=False
        )

    op.create_table(
        "heads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("backbone_id", sa.Integer(), nullable=True),
        sa.Column("backbone", sa.String(length=200), nullable=False),
        sa.Column("cut", sa.Text(), nullable=False),
        sa.Column("feature_key", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("dataset_digest", sa.String(length=64), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("artifact_digest", sa.String(length=64), nullable=False),
        sa.Column("artifact_size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone_id"],
            ["backbones.id"],
            name=op.f("fk_heads_backbone_id_backbones"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_heads_name_version")),
    )
    with op.batch_alter_table("heads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_heads_backbone_id"), ["backbone_id"], unique=False)

    op.create_table(
        "shards",
        sa.Column("shard_id", sa.String(length=64), nullable=False),
        sa.Column("feature_set_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=300), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("engine", sa.String(length=200), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature_set_id"],
            ["feature_sets.id"],
            name=op.f("fk_shards_feature_set_id_feature_sets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shard_id", name=op.f("pk_shards")),
        sa.UniqueConstraint("file", name=op.f("uq_shards_file")),
    )
    with op.batch_alter_table("shards", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_shards_feature_set_id"), ["feature_set_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("shards", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shards_feature_set_id"))

    op.drop_table("shards")
    with op.batch_alter_table("heads", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_heads_backbone_id"))

    op.drop_table("heads")
    with op.batch_alter_table("cut_points", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cut_points_fingerprint"))

    op.drop_table("cut_points")
    op.drop_table("backbone_tags")
    with op.batch_alter_table("backbone_aliases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_backbone_aliases_backbone_id"))

    op.drop_table("backbone_aliases")
    op.drop_table("runs")
    with op.batch_alter_table("feature_sets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feature_sets_cut_fingerprint"))

    op.drop_table("feature_sets")
    op.drop_table("failures")
    op.drop_table("datasets")
    op.drop_table("backbones")
