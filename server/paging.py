"""Pages of a listing, newest first, by an opaque cursor."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import and_, or_
from sqlmodel import Session, SQLModel, select

from knowledge.errors import InputError

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


def encode(created: str, ident: str) -> str:
    """A cursor that goes on after a row."""
    return base64.urlsafe_b64encode(f"{created} {ident}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[str, str]:
    """The row a cursor goes on after. Raises InputError."""
    try:
        created, _, ident = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
    except (binascii.Error, ValueError):
        created, ident = "", ""
    if not created or not ident or "\0" in created + ident:
        raise InputError("cursor", "is not one of this server's", "pass `next` of the page before, unchanged")
    return created, ident


def page(
    session: Session,
    table: Any,
    where: list[Any],
    limit: int,
    cursor: str | None,
    line: Callable[[Any], T],
    *,
    columns: tuple[Any, ...] = (),
    oldest_first: bool = False,
) -> tuple[list[T], str | None]:
    """Rows of a table with `created` and `id` that fit `where`, and the cursor of the next page."""
    if cursor:
        created, ident = decode(cursor)
        beyond = (table.created > created, table.id > ident) if oldest_first else (table.created < created, table.id < ident)
        where = [*where, or_(beyond[0], and_(table.created == created, beyond[1]))]
    order = (table.created, table.id) if oldest_first else (table.created.desc(), table.id.desc())
    rows = list(session.exec(select(*(columns or (table,))).where(*where).order_by(*order).limit(limit + 1)))
    more = encode(rows[limit - 1].created, rows[limit - 1].id) if len(rows) > limit else None
    return [line(row) for row in rows[:limit]], more


def own(session: Session, table: type[SQLModel], ident: str, owner: str) -> Any:
    """A row of the owner's; raises NotThere, also where it is another's."""
    from server.errors import NotThere

    row: Any = session.get(table, ident)
    if row is None or row.owner != owner:
        raise NotThere(table.__name__.lower(), ident)
    return row
