"""Extractions that wait for workers; leases say who works at what, and what ended its workers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("dataset", sa.String(200), nullable=False),
        sa.Column("dataset_digest", sa.String(64), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "attempts",
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.id"], name="fk_attempts_job_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job", "digest", name="pk_attempts"),
    )
    # Not in a batch: see 0003. No foreign key to jobs, which SQLite could not add to a table.
    op.add_column("leases", sa.Column("job", sa.Integer(), nullable=True))
    op.add_column("leases", sa.Column("process", sa.Integer(), nullable=True))
    op.add_column("leases", sa.Column("begun_at", sa.Float(), nullable=True))
    op.add_column(
        "leases", sa.Column("committed", sa.BigInteger(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    for name in ("committed", "begun_at", "process", "job"):
        op.drop_column("leases", name)
    op.drop_table("attempts")
    op.drop_index("ix_jobs_state", "jobs")
    op.drop_table("jobs")
