"""Datasets, heads and sweeps have tags, as backbones have."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
KINDS = ("dataset", "head", "sweep")


def upgrade() -> None:
    for kind in KINDS:
        op.create_table(
            f"{kind}_tags",
            sa.Column(f"{kind}_id", sa.Integer(), nullable=False),
            sa.Column("key", sa.String(200), nullable=False),
            sa.Column("value", sa.Text(), nullable=False),
            sa.ForeignKeyConstraint(
                [f"{kind}_id"],
                [f"{kind}s.id"],
                name=f"fk_{kind}_tags_{kind}_id_{kind}s",
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint(f"{kind}_id", "key", name=f"pk_{kind}_tags"),
        )


def downgrade() -> None:
    for kind in reversed(KINDS):
        op.drop_table(f"{kind}_tags")
