"""Idempotency-Key: a request sent twice under one key is done once, and answered twice with the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from server.auth import caller
from server.errors import document, respond
from server.models import FieldError
from server.store.engine import Store
from server.store.tables import Idempotency, now

HEADER = "idempotency-key"
KEEP_HOURS = 24
STALE_SECONDS = 120  # a reservation older than this was left by a server that died
_KEPT_HEADERS = ("content-type", "location", "etag")


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class IdempotentRoute(APIRoute):
    """A route whose POST requests honour Idempotency-Key; streams are not kept."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, wrapped."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await inner(request)
            if not 1 <= len(key) <= 200 or not key.isprintable():
                return respond(
                    document(
                        422,
                        "Bad input",
                        "Idempotency-Key must be 1 to 200 printable characters",
                        [FieldError(pointer="/Idempotency-Key", detail="must be 1 to 200 printable characters")],
                    )
                )
            digest = hashlib.sha256(b"\0".join([request.url.path.encode(), request.url.query.encode(), await request.body()])).hexdigest()
            store, owner = request.app.state.store, caller(request).owner
            kept = await run_in_threadpool(reserve, store, owner, key, digest)
            if kept is not None:
                return _again(kept, digest)
            return await _first(inner, request, store, owner, key)

        return handle


async def _first(
    inner: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, store: Store, owner: str, key: str
) -> Response:
    kept = False
    try:
        response = await inner(request)
        if response.status_code < 300 and not isinstance(response, StreamingResponse):
            headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
            await run_in_threadpool(keep, store, owner, key, response.status_code, headers, bytes(response.body))
            kept = True
        return response
    finally:
        if not kept:  # an error is not kept: the same request may succeed when it is sent again
            await run_in_threadpool(release, store, owner, key)


def _again(kept: Idempotency, digest: str) -> Response:
    if kept.digest != digest:
        text = "this Idempotency-Key was used for another request"
        return respond(document(422, "Bad input", text, [FieldError(pointer="/Idempotency-Key", detail=text)]))
    if kept.status == 0:
        return respond(document(409, "Conflict", "the first request under this Idempotency-Key is still at work"), {"Retry-After": "1"})
    return Response(kept.body, kept.status, {**kept.headers, "Idempotent-Replayed": "true"})


def reserve(store: Store, owner: str, key: str, digest: str) -> Idempotency | None:
    """Take a key; None when it is ours now, else what is known of its first use."""
    try:
        with store.write() as session:
            row = session.get(Idempotency, (owner, key))
            if row is not None and (row.created < _ago(KEEP_HOURS * 3600) or (row.status == 0 and row.created < _ago(STALE_SECONDS))):
                session.delete(row)
                session.flush()
                row = None
            if row is None:
                session.add(Idempotency(owner=owner, key=key, digest=digest))
            return row
    except IntegrityError:  # another server took it at this very moment
        with store.read() as session:
            return session.get(Idempotency, (owner, key))


def keep(store: Store, owner: str, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Keep the answer to a reserved key."""
    with store.write() as session:
        row = session.get(Idempotency, (owner, key))
        if row is not None:
            row.status, row.headers, row.body, row.created = status, headers, body, now()
            session.add(row)


def release(store: Store, owner: str, key: str) -> None:
    """Give a reserved key back."""
    with store.write() as session:
        row = session.get(Idempotency, (owner, key))
        if row is not None and row.status == 0:
            session.delete(row)
