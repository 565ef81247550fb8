"""Feature sets of an object store are held by rows: locks of files mean nothing across machines."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("is_alone", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", "holder", name="pk_holds"),
    )
    op.create_index("ix_holds_holder", "holds", ["holder"])


def downgrade() -> None:
    op.drop_index("ix_holds_holder", "holds")
    op.drop_table("holds")
