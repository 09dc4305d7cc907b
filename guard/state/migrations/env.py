"""What Alembic runs for each migration: on the connection, and in the transaction, that the caller handed over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
