"""Alembic's entry: runs the migrations on the workspace's own engine."""

from alembic import context

from headstart.registry.audit.identity import settle
from headstart.registry.connection.namespaces import ensure
from headstart.registry.database import Database
from headstart.registry.tables import metadata

config = context.config.attributes["headstart"]
given = context.config.attributes.get("database")
database = given or Database(config)
try:
    with database.writing() as connection:
        if config.namespace is not None:
            ensure(connection, config.namespace)
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            before = context.get_context().get_current_revision()
            context.run_migrations()
            after = context.get_context().get_current_revision()
            settle(connection, config, before, after)
finally:
    if given is None:
        database.close()
