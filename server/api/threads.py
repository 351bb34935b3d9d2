"""`/v1/threads`: conversations, each message answered in the light of the one before."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from server import sse, threads
from server.auth import Asker
from server.idempotency import IdempotentRoute, ident
from server.models import MessageIn, MessagePage, Reply, ThreadFull, ThreadIn, ThreadOut, ThreadPage
from server.paging import Cursor, Limit, own, page
from server.store.engine import Store
from server.store.tables import Message, Thread

router = APIRouter(tags=["threads"], route_class=IdempotentRoute)


def _out(thread: Thread) -> ThreadOut:
    return ThreadOut.model_validate(thread, from_attributes=True)


@router.post("/threads", status_code=201)
def create_thread(request: Request, caller: Asker, given: ThreadIn | None = None) -> ThreadOut:
    """Start a thread."""
    thread = Thread(id=ident("thread"), owner=caller.owner, title=given.title if given else "")
    with request.app.state.store.write() as session:
        return _out(session.merge(thread))


@router.get("/threads")
def list_threads(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> ThreadPage:
    """Your threads, newest first."""
    with request.app.state.store.read() as session:
        items, more = page(session, Thread, [Thread.owner == caller.owner], limit, cursor, _out)
    return ThreadPage(items=items, next=more)


@router.get("/threads/{thread_id}")
def show_thread(thread_id: str, request: Request, caller: Asker) -> ThreadFull:
    """A thread with its first 200 messages."""
    with request.app.state.store.read() as session:
        thread = own(session, Thread, thread_id, caller.owner)
        items, more = page(session, Message, [Message.thread_id == thread_id], 200, None, threads.line, oldest_first=True)
    return ThreadFull(**_out(thread).model_dump(), messages=items, next=more)


@router.get("/threads/{thread_id}/messages")
def list_messages(thread_id: str, request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> MessagePage:
    """The messages of a thread, oldest first."""
    with request.app.state.store.read() as session:
        own(session, Thread, thread_id, caller.owner)
        items, more = page(session, Message, [Message.thread_id == thread_id], limit, cursor, threads.line, oldest_first=True)
    return MessagePage(items=items, next=more)


@router.patch("/threads/{thread_id}")
def rename_thread(thread_id: str, given: ThreadIn, request: Request, caller: Asker) -> ThreadOut:
    """Give a thread another title."""
    with request.app.state.store.write() as session:
        thread: Thread = own(session, Thread, thread_id, caller.owner)
        thread.title = given.title
        session.add(thread)
    return _out(thread)


@router.delete("/threads/{thread_id}", status_code=204)
def delete_thread(thread_id: str, request: Request, caller: Asker) -> None:
    """Delete a thread with its messages."""
    threads.delete(request.app.state.store, caller.owner, caller.key_id, thread_id)


@router.post("/threads/{thread_id}/messages", response_model=Reply, response_model_exclude_none=True, responses=sse.DOCUMENTED)
async def post_message(thread_id: str, said: MessageIn, request: Request, caller: Asker, stream: bool = False) -> Response:
    """Say something; the answer comes back, with `Accept: text/event-stream` (or `?stream=true`) step by step."""
    state = request.app.state

    def work(tell: threads.Tell | None = None) -> bytes:
        return threads.post(state.store, state.plans, caller.owner, thread_id, said, tell).model_dump_json(exclude_none=True).encode()

    if sse.wants_events(request, stream):
        await run_in_threadpool(_must_exist, state.store, caller.owner, thread_id)
        return sse.response(sse.told(work))
    return Response(await run_in_threadpool(work), media_type="application/json")


def _must_exist(store: Store, owner: str, thread_id: str) -> None:
    with store.read() as session:
        own(session, Thread, thread_id, owner)
