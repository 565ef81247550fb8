"""Feature sets say how their numbers lie and when they were used; extractions claim samples."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("feature_sets") as table:
        table.add_column(sa.Column("storage", sa.String(length=20), nullable=True))
        table.add_column(sa.Column("compression", sa.String(length=20), nullable=True))
        table.add_column(sa.Column("used_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE feature_sets SET storage = dtype, compression = 'none'")
    with op.batch_alter_table("feature_sets") as table:
        table.alter_column("storage", existing_type=sa.String(length=20), nullable=False)
        table.alter_column("compression", existing_type=sa.String(length=20), nullable=False)
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
    with op.batch_alter_table("feature_sets") as table:
        table.drop_column("used_at")
        table.drop_column("compression")
        table.drop_column("storage")
