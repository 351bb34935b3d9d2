"""Server-sent events: steps that a thread tells while it works, as a response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from knowledge.errors import InputError
from server.errors import Conflict, NotThere, document, of_input

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0
_SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in ("data", "event", "id")}}
DOCUMENTED: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {"schema": _SCHEMA}}, "description": "Events as they happen"}}


def wants_events(request: Request, stream: bool = False) -> bool:
    """Whether a client asks for events rather than for the finished answer."""
    return stream or MEDIA_TYPE in request.headers.get("accept", "")


def event(name: str, data: Any, ident: str = "") -> bytes:
    """One event; `data` is JSON."""
    head = f"id: {ident}\n" if ident else ""
    body = data.decode() if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
    return f"{head}event: {name}\ndata: {body}\n\n".encode()


def response(events: AsyncIterator[bytes] | Iterable[bytes]) -> StreamingResponse:
    """Events as a response that no proxy holds back."""
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def problem_event(error: Exception) -> bytes:
    """An error as the last event of a stream."""
    if isinstance(error, InputError):
        return event("problem", of_input(error).model_dump())
    status = 404 if isinstance(error, NotThere) else 409
    return event("problem", document(status, "Not there" if status == 404 else "Conflict", str(error)).model_dump())


async def told(work: Callable[[Callable[[dict[str, Any]], None]], bytes], last: str = "answer") -> AsyncIterator[bytes]:
    """Events `step` as `work(tell)` tells them, then its outcome (JSON) as the event `last`, or a `problem`."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

    def tell(step: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, step)

    task = asyncio.ensure_future(run_in_threadpool(work, tell))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    while True:
        try:
            step = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
        except TimeoutError:
            yield b": still at work\n\n"
            continue
        if step is None:
            break
        yield event("step", step)
    try:
        yield event(last, task.result())
    except (InputError, NotThere, Conflict) as error:
        yield problem_event(error)
