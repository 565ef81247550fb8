"""A default cut may have a pooling."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cut_points") as table:
        table.add_column(sa.Column("pooling", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cut_points") as table:
        table.drop_column("pooling")
