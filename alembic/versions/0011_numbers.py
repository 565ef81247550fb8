"""The numbers of jobs and sweeps are counted: none is given twice."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
KINDS = {"jobs": "job", "sweeps": "sweep"}
"""By their tables, what events call them."""


def upgrade() -> None:
    numbers = op.create_table(
        "numbers",
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("what", name="pk_numbers"),
    )
    connection = op.get_bind()
    for table, kind in KINDS.items():
        last = max(_in_rows(connection, table), _in_events(connection, kind))
        if last:
            connection.execute(numbers.insert().values(what=table, last=last))


def downgrade() -> None:
    op.drop_table("numbers")


def _in_rows(connection: sa.Connection, table: str) -> int:
    found = connection.execute(sa.select(sa.func.max(sa.column("id"))).select_from(sa.table(table)))
    return found.scalar() or 0


def _in_events(connection: sa.Connection, kind: str) -> int:
    """Of those that were removed, too, as far as events tell of them."""
    events = sa.table("events", sa.column("object"), sa.column("kind"))
    query = sa.select(events.c.object).where(events.c.kind == kind).distinct()
    numbers = [one for one in connection.execute(query).scalars() if one.isdecimal()]
    return max(map(int, numbers), default=0)
