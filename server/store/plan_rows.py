"""The rows of plans: one read by its key, many added with one commit."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from server.store.engine import Store
from server.store.tables import Plan

_TABLE: Any = Plan.__table__  # pyright: ignore[reportAttributeAccessIssue]
# Tables rather than mapped classes: nearly every request passes here, and an ORM session takes some milliseconds of processor time.
_ONE = select(_TABLE).where(_TABLE.c.owner == bindparam("of"), _TABLE.c.id == bindparam("ident"))


class PlanRows:
    """Plans in the store. Writers that meet share one commit: each returns when its own row is durable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Another server may keep the same plan at the same moment.
        self._insert = (sqlite if store.is_sqlite else postgresql).insert(_TABLE).on_conflict_do_nothing()
        self._adding, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[tuple[dict[str, Any], Future[None]]] = []

    def read(self, owner: str, ident: str) -> Row[Any] | None:
        """The row of an owner's plan, if there is one."""
        with self._store.engine.connect() as connection:
            return connection.execute(_ONE, {"of": owner, "ident": ident}).one_or_none()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row by its columns; one that is there already stays as it is."""
        done: Future[None] = Future()
        with self._adding:
            self._waiting.append((row, done))
        with self._writing:
            if not done.done():
                self._write_waiting()
        done.result()

    def _write_waiting(self) -> None:
        with self._adding:
            batch, self._waiting = self._waiting, []
        try:
            self._write([row for row, _ in batch])
        except Exception:  # noqa: BLE001 - whose row it was is told to that one alone
            for row, done in batch:
                try:
                    self._write([row])
                except Exception as error:  # noqa: BLE001 - told to the waiting side
                    done.set_exception(error)
                else:
                    done.set_result(None)
        else:
            for _, done in batch:
                done.set_result(None)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        with self._store.write() as session:
            session.connection().execute(self._insert, rows)
