"""Feature sets say how their numbers lie and when they were used; extractions claim samples."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in a batch: on SQLite that makes the table anew, and dropping the old one would take all
    # shards with it (ON DELETE CASCADE).
    op.add_column(
        "feature_sets",
        sa.Column("storage", sa.String(length=20), nullable=False, server_default="float32"),
    )
    op.add_column(
        "feature_sets",
        sa.Column("compression", sa.String(length=20), nullable=False, server_default="none"),
    )
    op.add_column("feature_sets", sa.Column("used_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE feature_sets SET storage = dtype")
    op.create_table(
        "leases",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("granted_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_leases")),
    )
    op.create_table(
        "claims",
        sa.Column("feature_key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["lease"], ["leases.token"], name=op.f("fk_claims_lease_leases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feature_key", "digest", name=op.f("pk_claims")),
    )
    op.create_index(op.f("ix_claims_lease"), "claims", ["lease"])


def downgrade() -> None:
    op.drop_table("claims")
    op.drop_table("leases")
    for name in ("used_at", "compression", "storage"):
        op.drop_column("feature_sets", name)
