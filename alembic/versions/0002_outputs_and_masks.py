"""Cut points say which outputs they are the default of, and which input masks their steps."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cut_points") as table:
        table.add_column(sa.Column("default_of", sa.JSON(), nullable=True))
        table.add_column(sa.Column("mask", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cut_points") as table:
        table.drop_column("mask")
        table.drop_column("default_of")
