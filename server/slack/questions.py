"""Questions and what becomes of them: answered in their conversation, answered anew when edited, taken back when deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from knowledge.errors import InputError
from server.errors import NotThere
from server.plans import Made, PlanIn
from server.slack import answers
from server.slack.blocks import answer_blocks, notice_blocks
from server.slack.delivery import Delivery
from server.slack.memory import Claim
from server.slack.reports import explain_blocks
from server.slack.tables import SlackAnswer
from server.slack.turn import Turn, message_key
from server.slack.web import Refused, Web

if TYPE_CHECKING:
    from server.slack.desk import Desk

Brief = dict[str, Any] | None


async def answered(desk: Desk, web: Web, turn: Turn, delivery: Delivery) -> None:
    """A question, or a brief made from a form, answered in its conversation."""
    thread = await desk.record(desk.memory.thread, turn)
    await _answer(desk, web, turn, delivery, thread.brief if thread else None)


async def _answer(desk: Desk, web: Web, turn: Turn, delivery: Delivery, before: Brief) -> bool:
    """Plan and deliver; whether there was an answer, not a line on what is wrong with the question."""
    thread = await desk.record(desk.memory.thread, turn)
    delivery.start()
    try:
        made = await _plan(desk, turn, before, turn.law or (thread.law if thread else None), delivery)
    except (InputError, NotThere) as error:
        await delivery.finish(str(error), notice_blocks(str(error)))
        return False
    asked_by = turn.user if not turn.source and not turn.private else ""
    ts = await delivery.finish(made.headline, await _blocks(desk, web, turn, made, asked_by))
    kept = SlackAnswer(
        key=turn.key,
        team=turn.team,
        channel=turn.channel,
        thread=turn.thread or ts,
        user=turn.user,
        source=turn.source,
        ts=ts,
        plan_id=made.id,
        question=turn.text or made.question or made.headline,
        headline=made.headline,
        before=before,
    )
    brief = None if made.out.answer.brief.task == "out_of_scope" else made.out.answer.brief.stated()
    await desk.record(desk.memory.answered, kept, turn.conversation or ts, brief)
    return True


async def _plan(desk: Desk, turn: Turn, before: Brief, law: str | None, delivery: Delivery) -> Made:
    loop = asyncio.get_running_loop()

    def tell(event: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(answers.show_step, delivery, event)

    if turn.kind == "plan":
        asked = PlanIn(question="", brief=turn.brief, law=law)
    else:
        asked = PlanIn(question=turn.text, law=law, previous=turn.brief if turn.brief is not None else before)
    return await desk.think(desk.plans.make, turn.owner, asked, tell)


async def _blocks(desk: Desk, web: Web, turn: Turn, made: Made, asked_by: str) -> list[dict[str, Any]]:
    figures = await answers.figures(desk, web, made.out.answer.figures, f"plan-{made.id[:8]}")
    url = desk.settings.public_url
    link = await desk.record(answers.browser_link, desk.memory.store, url, turn.owner, made.id) if url else ""
    return answer_blocks(made.out.answer, made.id, figures=figures, link=link, asked_by=asked_by)


async def shared(desk: Desk, web: Web, turn: Turn, delivery: Delivery) -> None:
    """A plan shown in another conversation."""
    made = await desk.think(desk.plans.get, turn.owner, turn.plan_id)
    await delivery.finish(made.headline, await _blocks(desk, web, turn, made, turn.user))


async def explained(desk: Desk, turn: Turn, delivery: Delivery) -> None:
    """How a plan comes about."""
    made = await desk.think(desk.plans.get, turn.owner, turn.plan_id)
    await delivery.finish(f"How this comes about: {made.headline}", explain_blocks(made.out.answer))


async def edited(desk: Desk, web: Web, turn: Turn, claim: Claim) -> None:
    """An edited question: its answer becomes the answer to the new text, in the same message. A message never answered stays so."""
    key = message_key(turn.team, turn.channel, turn.source)
    old = await desk.record(desk.memory.answer_to, turn.team, turn.channel, turn.source)
    opened = await desk.record(desk.memory.withdraw, key)  # still being answered: the old text needs no answer any more
    if not turn.text or (opened is None and (old is None or not old.ts)):
        return
    if old is None:
        again = turn.model_copy(update={"key": key, "kind": "question"})
        await answered(desk, web, again, Delivery(web, desk.memory, again, claim, opened or "", resumed=True))
        return
    again = turn.model_copy(update={"key": old.key, "kind": "question"})
    delivery = Delivery(web, desk.memory, again, claim, old.ts, resumed=True)
    if not await _answer(desk, web, again, delivery, old.before):
        await desk.record(desk.memory.taken_back, old)


async def taken_back(desk: Desk, web: Web, turn: Turn) -> None:
    """A deleted question: its answer goes too, and the conversation forgets it."""
    old = await desk.record(desk.memory.answer_to, turn.team, turn.channel, turn.source)
    opened = await desk.record(desk.memory.withdraw, message_key(turn.team, turn.channel, turn.source))
    ts = old.ts if old else opened or ""
    if ts[:1].isdigit():
        try:
            await web.call("chat.delete", channel=turn.channel, ts=ts)
        except Refused as error:
            if error.error != "message_not_found":
                raise
    if old is not None:
        await desk.record(desk.memory.taken_back, old)
