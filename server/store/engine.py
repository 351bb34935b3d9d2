"""Opening the store: SQLite in WAL mode by default, PostgreSQL by URL, the schema brought up to date first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError, OperationalError
from sqlmodel import Session

from knowledge.errors import InputError
from server.store.tables import Audit

BUSY_MILLISECONDS = 15_000
_REMEDY = "sqlite:////path/to/file, or postgresql://user:password@host/name with the extra `postgres`"
_TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
_MIGRATION_LOCK = 7_346_512  # any constant: one advisory lock that all servers of one database take while migrating


def make_engine(url: str) -> Engine:
    """An engine for the URL; `postgresql://` means the psycopg driver."""
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    engine = create_engine(url, connect_args={"timeout": BUSY_MILLISECONDS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would open transactions by itself, too late for BEGIN IMMEDIATE
    cursor = connection.cursor()
    # FULL: an acknowledged write survives a power cut as well as a killed process.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MILLISECONDS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A read that turns into a write fails at once when another wrote in between; taking the lock first waits instead.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


class Store:
    """The database. `read()` and `write()` give sessions; a write is durable when its block has ended. Raises InputError where it cannot be opened."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.url = url
        try:
            self.engine = make_engine(url)
            self.writer = self.engine.execution_options(writes=True)
            # SQLite has one writer at a time. Who finds it busy sleeps for up to 100 ms and may find it so again; here one wakes at once.
            self._turn = threading.RLock() if self.is_sqlite else nullcontext()
            if migrate:
                upgrade(self.engine)
            else:
                self.ping()
        except (ArgumentError, NoSuchModuleError, ValueError):
            raise InputError("FLOPWISE_DATABASE_URL", "is not the URL of a database", _REMEDY) from None
        except ModuleNotFoundError as error:
            raise InputError("FLOPWISE_DATABASE_URL", f"needs the package {error.name}", _REMEDY) from None
        except (OperationalError, DatabaseError) as error:
            why = str(error.orig).strip().splitlines()[0]
            raise InputError("FLOPWISE_DATABASE_URL", f"cannot open {self.engine.url.render_as_string()}", why) from None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the one-process database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are committed at the end of the block, or not at all."""
        with self._turn, Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    def check(self) -> str:
        """`ok`, or what is wrong with the database: SQLite's own check, or every row of every table of PostgreSQL read (checksums fail on reading)."""
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite:
                    return "\n".join(connection.execute(text("PRAGMA integrity_check")).scalars())
                for table in connection.execute(text(_TABLES)).scalars().all():
                    connection.execute(text(f"SELECT max(length(t::text)) FROM {table} t"))
        except DBAPIError as error:
            return str(error.orig)
        return "ok"

    def ping(self) -> None:
        """Raise when the database cannot be reached."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def note(session: Session, owner: str, actor: str, action: str, subject: str = "") -> None:
    """Add a line to the audit within the change it describes."""
    session.add(Audit(owner=owner, actor=actor, action=action, subject=subject))


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to a revision; servers that start together wait for each other."""
    _migrate(engine, command.upgrade, revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the schema down to a revision."""
    _migrate(engine, command.downgrade, revision)


def _migrate(engine: Engine, action: Any, revision: str) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        try:
            action(alembic_config(connection), revision)
        except CommandError as error:
            known = ", ".join(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())
            raise InputError("revision", str(error), f"revisions: head, {known}, base") from None
