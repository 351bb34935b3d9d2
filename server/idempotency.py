"""Idempotency-Key: a request sent twice under one key is done once, and answered twice with the same bytes.

A server may die between what a request did and the answer that is kept. Whoever then tries the request again gets the same seed, and so the same
ids for what it makes: what is there already is found instead of made a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlmodel import col, delete, update
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from server.auth import caller
from server.errors import document, respond
from server.models import FieldError
from server.store.engine import Store
from server.store.tables import Idempotency, new_id, now

HEADER = "idempotency-key"
KEEP_HOURS = 24
BEAT_SECONDS = 4  # how often a server at work on a request renews its reservation
STALE_SECONDS = 15  # a reservation older than this was left by a server that died
_seed: ContextVar[str] = ContextVar("seed", default="")
_KEPT_HEADERS = ("content-type", "location", "etag")


def ident(kind: str) -> str:
    """Id for what the present request makes, one of a kind: the same whenever the request is tried again under its key."""
    seed = _seed.get()
    return f"{kind}_{hashlib.sha256(f'{seed} {kind}'.encode()).hexdigest()[:24]}" if seed else new_id(kind)


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
            kept, seed = await run_in_threadpool(reserve, store, owner, key, digest)
            if kept is not None:
                return _again(kept, digest)
            _seed.set(seed)
            return await _first(inner, request, store, owner, key)

        return handle


async def _first(
    inner: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, store: Store, owner: str, key: str
) -> Response:
    done = False
    try:
        async with _renewed(store, owner, key):
            response = await inner(request)
        done = response.status_code < 300 and not isinstance(response, StreamingResponse)
    finally:
        if not done:  # an error is not kept: the same request may succeed when it is sent again
            await run_in_threadpool(release, store, owner, key)
    if done:
        headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        await run_in_threadpool(keep, store, owner, key, response.status_code, headers, bytes(response.body))
    return response


@asynccontextmanager
async def _renewed(store: Store, owner: str, key: str) -> AsyncIterator[None]:
    """The reservation stays young while the block runs."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await run_in_threadpool(_touch, store, owner, key, now())
            except SQLAlchemyError:  # the store is away for a while: the next beat tries again
                continue

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _again(kept: Idempotency, digest: str) -> Response:
    if kept.digest != digest:
        text = "this Idempotency-Key was used for another request"
        return respond(document(422, "Bad input", text, [FieldError(pointer="/Idempotency-Key", detail=text)]))
    if kept.status == 0:
        return respond(
            document(409, "Conflict", "the first request under this Idempotency-Key is still at work"), {"Retry-After": str(BEAT_SECONDS)}
        )
    return Response(kept.body, kept.status, {**kept.headers, "Idempotent-Replayed": "true"})


def reserve(store: Store, owner: str, key: str, digest: str) -> tuple[Idempotency | None, str]:
    """Take a key: what is known of its first use, None when it is ours now; and the seed of the ids made under it."""
    try:
        with store.write() as session:
            row = session.get(Idempotency, (owner, key), with_for_update=True)
            if row is None:
                row = Idempotency(owner=owner, key=key, digest=digest, headers={"seed": secrets.token_hex(16)})
                session.add(row)
                return None, row.headers["seed"]
            old = row.created < _ago(KEEP_HOURS * 3600)
            if not old and (row.status or row.created >= _ago(STALE_SECONDS)):
                return row, ""
            seed = row.headers.get("seed", "") if not old and row.digest == digest else ""
            row.digest, row.status, row.body, row.created = digest, 0, b"", now()
            row.headers = {"seed": seed or secrets.token_hex(16)}
            session.add(row)
            return None, row.headers["seed"]
    except IntegrityError:  # another server took it at this very moment
        with store.read() as session:
            return session.get(Idempotency, (owner, key)), ""


def forget_old(store: Store) -> None:
    """Drop the answers nobody may ask for again."""
    with store.write() as session:
        session.exec(delete(Idempotency).where(col(Idempotency.created) < _ago(KEEP_HOURS * 3600)))


def keep(store: Store, owner: str, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Keep the answer to a reserved key."""
    with store.write() as session:
        row = session.get(Idempotency, (owner, key))
        if row is not None:
            row.status, row.headers, row.body, row.created = status, headers, body, now()
            session.add(row)


def release(store: Store, owner: str, key: str) -> None:
    """Give a reserved key back, its seed kept: whether the request left something is not known."""
    _touch(store, owner, key, _ago(STALE_SECONDS))


def _touch(store: Store, owner: str, key: str, moment: str) -> None:
    with store.write() as session:
        session.exec(
            update(Idempotency)
            .where(col(Idempotency.owner) == owner, col(Idempotency.key) == key, col(Idempotency.status) == 0)
            .values(created=moment)
        )
