"""Alembic's entry: runs the migrations on the workspace's own engine."""

from alembic import context

from headstart.registry.database import Database
from headstart.registry.tables import metadata

database = Database(context.config.attributes["headstart"])
try:
    with database.writing() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
finally:
    database.close()
