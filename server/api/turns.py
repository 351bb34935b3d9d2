"""Turns of a conversation that the page can lose sight of and find again: events are numbered, kept for a while, and read from any number on."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session, col, delete, select
from starlette.concurrency import run_in_threadpool

from knowledge.errors import InputError
from server import sse, threads
from server.auth import Asker
from server.errors import Conflict, NotThere, document, of_input
from server.paging import own
from server.plans import PlanIn, Plans
from server.store.engine import Store
from server.store.tables import Message, Plan, Thread, now

router = APIRouter(tags=["turns"])
KEEP_SECONDS = 600.0
MAX_KEPT = 200


class TurnIn(BaseModel):
    """What a person says, or a brief that was edited (with a line that says how). `replaces`: the message of theirs this one stands in for."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=20_000)
    brief: dict[str, Any] | None = None
    law: str | None = Field(default=None, max_length=200)
    replaces: str | None = Field(default=None, max_length=64)

    @model_validator(mode="after")
    def _said(self) -> TurnIn:
        if not self.text.strip():
            raise ValueError("text is empty")
        return self


class TurnOut(BaseModel):
    """A turn that has begun; its events tell the rest."""

    id: str
    thread_id: str


@dataclass
class Turn:
    """What happened so far: (name of the event, its data), in order."""

    id: str
    owner: str
    events: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    ended: float = 0.0
    stopped: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def tell(self, name: str, data: Any, *, last: bool = False) -> None:
        """Add an event; on the event loop's thread only."""
        if self.ended:
            return
        self.events.append((name, data))
        self.ended = time.monotonic() if last else 0.0
        waiting, self.changed = self.changed, asyncio.Event()
        waiting.set()


_turns: dict[str, Turn] = {}


def _find(ident: str, owner: str) -> Turn:
    turn = _turns.get(ident)
    if turn is None or turn.owner != owner:
        raise NotThere("turn", ident)
    return turn


def _forget_old() -> None:
    limit = time.monotonic() - KEEP_SECONDS
    for ident in [ident for ident, turn in _turns.items() if turn.ended and turn.ended < limit]:
        del _turns[ident]
    for ident in [ident for ident, turn in _turns.items() if turn.ended][: max(0, len(_turns) - MAX_KEPT)]:
        del _turns[ident]


@router.post("/threads/{thread_id}/turns", status_code=202)
async def begin_turn(thread_id: str, said: TurnIn, request: Request, caller: Asker) -> TurnOut:
    """Say something in a thread. The answer is made and kept whether or not anybody listens."""
    state = request.app.state
    await run_in_threadpool(_look, state.store, caller.owner, thread_id)
    _forget_old()
    turn = Turn(secrets.token_urlsafe(12), caller.owner)
    _turns[turn.id] = turn
    turn.task = asyncio.create_task(_run(turn, state.store, state.plans, thread_id, said))
    return TurnOut(id=turn.id, thread_id=thread_id)


def _look(store: Store, owner: str, thread_id: str) -> None:
    with store.read() as session:
        own(session, Thread, thread_id, owner)


@router.delete("/turns/{turn_id}", status_code=204)
async def stop_turn(turn_id: str, caller: Asker) -> None:
    """Stop a turn: its thread stays as it was."""
    turn = _find(turn_id, caller.owner)
    turn.stopped = True
    turn.tell("stopped", {}, last=True)


@router.get("/turns/{turn_id}/events", response_class=Response, responses=sse.DOCUMENTED)
async def turn_events(turn_id: str, caller: Asker, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """Events of a turn after the one named: `step`s, then `reply`, `problem` or `stopped`."""
    turn = _find(turn_id, caller.owner)
    given = last_event_id or ""
    return sse.response(_events(turn, int(given) + 1 if given.isdecimal() and len(given) < 9 else 0))


async def _events(turn: Turn, place: int) -> AsyncIterator[bytes]:
    while True:
        changed = turn.changed
        for number in range(place, len(turn.events)):
            name, data = turn.events[number]
            yield sse.event(name, data, str(number))
            place = number + 1
        if turn.ended:
            return
        try:
            await asyncio.wait_for(changed.wait(), sse.KEEP_ALIVE_SECONDS)
        except TimeoutError:
            yield b": still at work\n\n"


async def _run(turn: Turn, store: Store, plans: Plans, thread_id: str, said: TurnIn) -> None:
    loop = asyncio.get_running_loop()

    def tell(step: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(turn.tell, "step", step)

    try:
        body = await run_in_threadpool(_answer, turn, store, plans, thread_id, said, tell)
    except InputError as error:
        turn.tell("problem", of_input(error).model_dump(), last=True)
    except (NotThere, Conflict) as error:
        turn.tell("problem", document(409, "Conflict", str(error)).model_dump(), last=True)
    except Exception:
        turn.tell("problem", document(500, "Internal error", "a fault of flopwise; its log has the details").model_dump(), last=True)
        raise
    else:
        turn.tell("reply", body, last=True)


def _answer(turn: Turn, store: Store, plans: Plans, thread_id: str, said: TurnIn, tell: threads.Tell) -> bytes:
    with store.read() as session:
        thread: Thread = own(session, Thread, thread_id, turn.owner)
        before = thread.brief if said.replaces is None else _brief_before(session, turn.owner, thread_id, said.replaces)
    asked = (
        PlanIn(question="", brief=said.brief, law=said.law)
        if said.brief is not None
        else PlanIn(question=said.text, law=said.law, previous=before)
    )
    made = plans.make(turn.owner, asked, tell)
    if turn.stopped:
        return b"{}"
    answer = made.out.answer
    asked_at = now()
    question = Message(thread_id=thread_id, owner=turn.owner, role="user", text=said.text, plan_id=None, created=asked_at)
    reply = Message(
        thread_id=thread_id, owner=turn.owner, role="assistant", text=made.out.text, plan_id=made.id, created=max(now(), asked_at + "1")
    )
    with store.write() as session:
        thread = own(session, Thread, thread_id, turn.owner)
        if said.replaces is not None:
            old: Message = own(session, Message, said.replaces, turn.owner)
            session.exec(delete(Message).where(col(Message.thread_id) == thread_id, col(Message.created) >= old.created))
        thread.title = thread.title or threads.title_of(said.text)
        thread.brief = before if answer.brief.task == "out_of_scope" else answer.brief.stated()
        thread.updated = reply.created
        session.add_all([thread, question, reply])
    return (
        threads.Reply(question=threads.line(question), message=threads.line(reply), plan=made.out)
        .model_dump_json(exclude_none=True)
        .encode()
    )


def _brief_before(session: Session, owner: str, thread_id: str, message_id: str) -> dict[str, Any] | None:
    """The brief a thread had before a message: that of the last plan of before which was about planning."""
    message: Message = own(session, Message, message_id, owner)
    if message.thread_id != thread_id or message.role != "user":
        raise NotThere("question", message_id)
    earlier = session.exec(
        select(Message.plan_id)
        .where(Message.thread_id == thread_id, Message.created < message.created, col(Message.plan_id).is_not(None))
        .order_by(col(Message.created).desc())
    ).all()
    for plan_id in earlier:
        plan = session.get(Plan, (owner, plan_id))
        if plan is not None:
            brief = threads.PlanOut.model_validate_json(plan.body).answer.brief
            if brief.task != "out_of_scope":
                return brief.stated()
    return None
