"""Alembic's entry: runs on the connection that server.store.engine hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from server.store import tables

assert tables.Plan.metadata is SQLModel.metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    include_name=lambda name, kind, _parents: kind != "table" or name in SQLModel.metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
