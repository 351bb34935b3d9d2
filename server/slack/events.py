"""Events: mentions, messages, edits, the home tab, the agent view, and workspaces that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.app.async_app import AsyncApp

from server.slack.desk import Desk
from server.slack.home import home_view, prompts
from server.slack.oauth import Installations
from server.slack.turn import Turn, of_change, of_message
from server.slack.web import Refused, Unsure, Web

log: Any = structlog.get_logger("slack")
_CLAIM_SECONDS = 0.07

Next = Callable[[], Awaitable[BoltResponse]]


def register(bolt: AsyncApp, desk: Desk, installations: Installations) -> None:
    """Add the listeners of events. What is sent here asks for work; the work is claimed before Slack is told that it arrived."""

    @bolt.middleware
    async def claim(body: dict[str, Any], next: Next) -> BoltResponse:
        turn = _turn(body)
        if turn is None:
            return await next()
        taking = asyncio.ensure_future(desk.take(turn, body.get("event_id", "")))
        _keep(taking)
        await asyncio.wait([taking], timeout=_CLAIM_SECONDS)
        return BoltResponse(status=200, body="")

    @bolt.event("app_mention")
    @bolt.event("message")
    @bolt.event("assistant_thread_context_changed")
    async def nothing_to_do() -> None:
        """Messages that speak to others."""

    @bolt.event("app_home_opened")
    async def home(event: dict[str, Any], body: dict[str, Any]) -> None:
        team, enterprise = body.get("team_id", ""), body.get("enterprise_id") or ""
        if event.get("tab") == "messages":
            await _suggest(desk, enterprise, team, channel_id=event["channel"])
        else:
            await show_home(desk, enterprise, team, event["user"])

    @bolt.event("assistant_thread_started")
    async def assistant(event: dict[str, Any], body: dict[str, Any]) -> None:
        thread = event["assistant_thread"]
        await _suggest(
            desk, body.get("enterprise_id") or "", body.get("team_id", ""), channel_id=thread["channel_id"], thread_ts=thread["thread_ts"]
        )

    @bolt.event("tokens_revoked")
    @bolt.event("app_uninstalled")
    async def leaves(event: dict[str, Any], body: dict[str, Any]) -> None:
        team, enterprise = body.get("team_id", ""), body.get("enterprise_id") or ""
        if event["type"] == "app_uninstalled" or event.get("tokens", {}).get("bot"):
            await installations.async_delete_installation(enterprise_id=enterprise, team_id=team)
            desk.speakers.forget(enterprise, team)
        if event["type"] == "app_uninstalled":
            await desk.record(desk.memory.forget, team)


def _turn(body: dict[str, Any]) -> Turn | None:
    event = body.get("event") if body.get("type") == "event_callback" else None
    if not isinstance(event, dict) or event.get("type") not in ("app_mention", "message"):
        return None
    return of_change(event, body) or of_message(event, body)


_background: set[asyncio.Future[Any]] = set()


def _keep(task: asyncio.Future[Any]) -> None:
    """Hold on to a task the acknowledgement did not wait for, and say so when it fails."""
    _background.add(task)

    def ended(done: asyncio.Future[Any]) -> None:
        _background.discard(done)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("not taken up", error=type(error).__name__)

    task.add_done_callback(ended)


async def _suggest(desk: Desk, enterprise: str, team: str, **where: Any) -> None:
    web = await web_of(desk, enterprise, team)
    if web is not None:
        await _courtesy(web, "assistant.threads.setSuggestedPrompts", title="You can ask, for example", prompts=prompts(), **where)


async def show_home(desk: Desk, enterprise: str, team: str, user: str) -> None:
    """Publish a person's home tab."""
    web = await web_of(desk, enterprise, team)
    if web is not None:
        recent = await desk.record(desk.memory.recent, team, user)
        await _courtesy(web, "views.publish", user_id=user, view=home_view(recent))


async def web_of(desk: Desk, enterprise: str, team: str) -> Web | None:
    """The Web API of a workspace, by a turn that asks nothing."""
    return await desk.web(Turn(key="", kind="question", team=team, enterprise=enterprise, channel="", user=""))


async def _courtesy(web: Web, method: str, **args: Any) -> None:
    try:
        await web.call(method, tries=3, **args)
    except (Refused, Unsure) as error:
        log.info("left out", call=method, reason=str(error))
