"""Commands, shortcuts, buttons and forms. Each acknowledges first; what it asks for is a turn of the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from agent.answer import Answer
from agent.brief import Brief
from server.slack import modals
from server.slack.blocks import answer_blocks
from server.slack.desk import Desk
from server.slack.turn import Turn, asked_privately, words
from server.slack.web import Refused, Unsure

log: Any = structlog.get_logger("slack")
Ack = Callable[..., Awaitable[Any]]
Body = dict[str, Any]

_USAGE = "Ask about training or serving a model, for example: `/flopwise best model for 1e22 FLOPs on 8 H100s`. Add _only for me_ for an answer only you see."
_NOT_OPENED = "Slack did not open the form in time. Please press the button again."
_OPENED = ("trigger_exchanged", "exchanged_trigger_id")
_TRIGGER_SECONDS = 3.0
_GONE = "This plan is not kept any more. Please ask again."


def register(bolt: AsyncApp, desk: Desk) -> None:
    """Add the listeners of interactions."""

    @bolt.command("/flopwise")
    async def command(ack: Ack, body: Body) -> None:
        private, text = asked_privately(words(body.get("text", "")))
        if not text or text.lower() in ("help", "?"):
            await ack({"response_type": "ephemeral", "text": _USAGE})
            return
        await desk.take_soon(
            Turn(
                key=f"command:{body['trigger_id']}",
                kind="question",
                team=_team(body),
                enterprise=body.get("enterprise_id") or "",
                text=text,
                channel=body["channel_id"],
                user=body["user_id"],
                private=private,
                response_url=body.get("response_url", ""),
            )
        )
        await ack()

    @bolt.shortcut("plan_this")
    async def shortcut(ack: Ack, body: Body) -> None:
        message = body["message"]
        private, text = asked_privately(words(message.get("text", "")))
        if text:
            thread = message.get("thread_ts") or message["ts"]
            await desk.take_soon(_turn(body, "question", thread=thread, text=text, private=private))
        await ack()

    for action, view in {"needs": modals.needs_modal, "what_if": modals.what_if_modal, "other_law": modals.law_modal}.items():
        _open_form(bolt, desk, action, view)
    _forms(bolt, desk)
    _buttons(bolt, desk)


def _open_form(bolt: AsyncApp, desk: Desk, action: str, view: Callable[[Answer, dict[str, Any]], dict[str, Any]]) -> None:
    @bolt.action(action)
    async def open_form(ack: Ack, body: Body) -> None:
        await ack()
        private = _where(body)
        answer = await desk.plan_of(_owner(body), private["plan"])
        await _form(desk, body, private, view(answer, private) if answer else modals.text_modal("Not there", [_said(_GONE)]))


def _buttons(bolt: AsyncApp, desk: Desk) -> None:
    @bolt.action("explain")
    async def explain(ack: Ack, body: Body) -> None:
        where = _where(body)
        await desk.take_soon(_turn(body, "explain", thread=where["thread"], private=where["private"], plan_id=where["plan"]))
        await ack()

    @bolt.action("share")
    async def share(ack: Ack, body: Body) -> None:
        await ack()
        await _form(desk, body, _where(body), modals.share_modal(_where(body)))

    @bolt.action("show")
    async def show(ack: Ack, body: Body) -> None:
        await ack()
        plan, user = body["actions"][0]["value"], body["user"]["id"]
        answer = await desk.plan_of(_owner(body), plan)
        shown = await _show(desk, body, modals.text_modal("Plan", answer_blocks(answer, plan) if answer else [_said(_GONE)]))
        if not shown and answer is not None:
            await desk.take(_share(body, f"action:{body['trigger_id']}", user, plan))

    @bolt.action("open")
    async def open_page(ack: Ack) -> None:
        await ack()  # a link: the browser does the rest


def _forms(bolt: AsyncApp, desk: Desk) -> None:
    @bolt.view("needs")
    async def needs(ack: Ack, body: Body, view: Body) -> None:
        await _submitted(desk, ack, body, view, modals.complete)

    @bolt.view("what_if")
    async def what_if(ack: Ack, body: Body, view: Body) -> None:
        await _submitted(desk, ack, body, view, modals.change)

    @bolt.view("other_law")
    async def other_law(ack: Ack, body: Body, view: Body) -> None:
        private, law = modals.private_of(view), modals.filled(view).get("law", "")
        answer = await desk.plan_of(_owner(body), private["plan"])
        if answer is not None and law:
            asked = answer.question or answer.headline
            await desk.take_soon(_of_form(body, view, "plan", brief=answer.brief.stated(), law=law, text=f"{asked} (by {law})"))
        await ack()

    @bolt.view("share")
    async def share(ack: Ack, body: Body, view: Body) -> None:
        to, plan = modals.filled(view).get("to", ""), modals.private_of(view)["plan"]
        await desk.take_soon(_share(body, _view_key(body, view), to, plan))
        await ack()


async def _submitted(
    desk: Desk, ack: Ack, body: Body, view: Body, read: Callable[[Answer, dict[str, str]], tuple[Brief | None, dict[str, str]]]
) -> None:
    """A form of fields: errors go back into it, else the changed brief is planned."""
    private, given = modals.private_of(view), modals.filled(view)
    answer = await desk.plan_of(_owner(body), private["plan"])
    if answer is None:
        await ack(response_action="errors", errors={next(iter(view["state"]["values"])): _GONE})
        return
    brief, errors = await desk.brief_from(read, answer, given)
    if brief is None:
        shown = set(view["state"]["values"])
        await ack(response_action="errors", errors={field if field in shown else next(iter(shown)): text for field, text in errors.items()})
        return
    if given.get("say"):
        turn = _of_form(body, view, "question", brief=brief.stated(), text=given["say"])
    else:
        told = modals.changes_in_words(answer.brief, brief)
        turn = _of_form(body, view, "plan", brief=brief.stated(), text=f"{answer.question} ({told})" if told else answer.question)
    await desk.take_soon(turn)
    await ack()


def _of_form(body: Body, view: Body, kind: Any, **more: Any) -> Turn:
    where = modals.private_of(view)
    return Turn(
        key=_view_key(body, view),
        kind=kind,
        team=_team(body),
        enterprise=_enterprise(body),
        channel=where["channel"],
        thread=where["thread"],
        user=body["user"]["id"],
        private=where["private"],
        **more,
    )


def _share(body: Body, key: str, to: str, plan: str) -> Turn:
    return Turn(key=key, kind="share", team=_team(body), enterprise=_enterprise(body), channel=to, user=body["user"]["id"], plan_id=plan)


def _turn(body: Body, kind: Any, **more: Any) -> Turn:
    return Turn(
        key=f"action:{body['trigger_id']}",
        kind=kind,
        team=_team(body),
        enterprise=_enterprise(body),
        channel=body["channel"]["id"],
        user=body["user"]["id"],
        response_url=body.get("response_url", ""),
        **more,
    )


def _where(body: Body) -> dict[str, Any]:
    """Which plan a button belongs to, and where what comes of it goes."""
    container = body.get("container", {})
    message = body.get("message", {})
    ts = container.get("message_ts") or message.get("ts", "")
    thread = container.get("thread_ts") or message.get("thread_ts") or ("" if container.get("is_ephemeral") else ts)
    return {
        "plan": body["actions"][0]["value"],
        "channel": (body.get("channel") or {}).get("id", ""),
        "thread": thread,
        "private": bool(container.get("is_ephemeral")),
    }


def _view_key(body: Body, view: Body) -> str:
    return f"view:{_team(body)}:{view.get('id', '')}:{view.get('hash', '')}"


def _team(body: Body) -> str:
    return str((body.get("team") or {}).get("id") or body.get("team_id") or body.get("user", {}).get("team_id", ""))


def _enterprise(body: Body) -> str:
    return str((body.get("enterprise") or {}).get("id", "")) if body.get("enterprise") else ""


def _owner(body: Body) -> str:
    return f"slack:{_team(body) or _enterprise(body)}"


def _said(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


async def _show(desk: Desk, body: Body, view: dict[str, Any]) -> bool:
    """Open a view; False where Slack did not. The trigger lasts three seconds and is good once, so a second try opens no second view."""
    web = await desk.web(_enterprise(body), _team(body))
    if web is None:
        return True
    try:
        await web.call("views.open", tries=3, patience=_TRIGGER_SECONDS, trigger_id=body["trigger_id"], view=view)
    except (Refused, Unsure) as error:
        log.warning("form not shown", reason=str(error))
        return isinstance(error, Refused) and error.error in _OPENED
    return True


async def _form(desk: Desk, body: Body, where: dict[str, Any], view: dict[str, Any]) -> None:
    """Open a form, or say that it did not open."""
    web = await desk.web(_enterprise(body), _team(body))
    if not await _show(desk, body, view) and web is not None:
        told: Body = {"channel": where["channel"], "user": body["user"]["id"], "thread_ts": where["thread"] or None, "text": _NOT_OPENED}
        await web.courtesy("chat.postEphemeral", **told)
