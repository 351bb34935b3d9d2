"""Conversations: a message is read against the brief of the turn before and answered by a plan."""

from __future__ import annotations

from typing import Any

from server.errors import Conflict
from server.idempotency import ident
from server.models import MessageIn, MessageLine, PlanIn, PlanOut, Reply
from server.paging import own
from server.plans import Plans, Tell
from server.store.engine import Store, note
from server.store.tables import Message, Thread, now


def title_of(text: str) -> str:
    """A thread's title from its first message."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79].rsplit(" ", 1)[0] + "…"


def post(store: Store, plans: Plans, owner: str, thread_id: str, said: MessageIn, tell: Tell | None = None) -> Reply:
    """Answer a message within its thread; both are kept together or not at all. Raises InputError, NotThere."""
    said_id, answer_id = ident("message_q"), ident("message_a")
    with store.read() as session:
        thread: Thread = own(session, Thread, thread_id, owner)
        brief = thread.brief
        kept = session.get(Message, said_id), session.get(Message, answer_id)
    if kept[0] is not None and kept[1] is not None:  # the server died before it could tell
        return Reply(question=line(kept[0]), message=line(kept[1]), plan=plans.get(owner, kept[1].plan_id or "").out)
    asked_at = now()
    made = plans.make(owner, PlanIn(question=said.text, law=said.law, previous=brief), tell)
    question = Message(id=said_id, thread_id=thread_id, owner=owner, role="user", text=said.text, created=asked_at)
    answer = Message(
        id=answer_id,
        thread_id=thread_id,
        owner=owner,
        role="assistant",
        text=made.out.text,
        plan_id=made.id,
        created=max(now(), asked_at + "1"),
    )
    with store.write() as session:
        thread = own(session, Thread, thread_id, owner)
        if thread.brief != brief:
            raise Conflict("another message of this thread was answered meanwhile; send this one again")
        thread.title = thread.title or title_of(said.text)
        thread.brief, thread.updated = _next_brief(made.out, brief), answer.created
        session.add_all([thread, question, answer])
    return Reply(question=line(question), message=line(answer), plan=made.out)


def _next_brief(plan: PlanOut, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the next turn is read against: a question outside planning leaves the brief as it was."""
    return before if plan.answer.brief.task == "out_of_scope" else plan.answer.brief.stated()


def line(message: Message) -> MessageLine:
    """A message as the API shows it."""
    return MessageLine.model_validate(message, from_attributes=True)


def delete(store: Store, owner: str, actor: str, thread_id: str) -> None:
    """Delete a thread with its messages; the plans they led to stay. Raises NotThere."""
    with store.write() as session:
        session.delete(own(session, Thread, thread_id, owner))
        note(session, owner, actor, "thread.deleted", thread_id)
