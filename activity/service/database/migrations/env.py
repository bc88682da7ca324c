"""What Alembic runs: our migrations, on the connection and in the transaction of `activity.service.database.engine`."""

from __future__ import annotations

from alembic import context

from activity.service.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
context.run_migrations()
