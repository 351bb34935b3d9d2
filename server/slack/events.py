"""Events: mentions, messages, edits, the home tab, the agent view, and workspaces that leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.app.async_app import AsyncApp

from server.slack.desk import Desk
from server.slack.home import home_view, prompts
from server.slack.oauth import Installations
from server.slack.turn import Turn, of_change, of_message

Next = Callable[[], Awaitable[BoltResponse]]


def register(bolt: AsyncApp, desk: Desk, installations: Installations) -> None:
    """Add the listeners of events. What is sent here asks for work; the work is claimed before Slack is told that it arrived."""

    @bolt.middleware
    async def claim(body: dict[str, Any], next: Next) -> BoltResponse:
        turn = _turn(body)
        if turn is None:
            return await next()
        await desk.take_soon(turn, body.get("event_id", ""))
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


async def _suggest(desk: Desk, enterprise: str, team: str, **where: Any) -> None:
    web = await desk.web(enterprise, team)
    if web is not None:
        await web.courtesy("assistant.threads.setSuggestedPrompts", title="You can ask, for example", prompts=prompts(), **where)


async def show_home(desk: Desk, enterprise: str, team: str, user: str) -> None:
    """Publish a person's home tab."""
    web = await desk.web(enterprise, team)
    if web is not None:
        recent = await desk.record(desk.memory.recent, team, user)
        await web.courtesy("views.publish", tries=3, user_id=user, view=home_view(recent))
