"""Bringing one answer into Slack exactly once: streamed steps where they can be, one message whatever fails on the way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog

from server.slack.memory import Memory
from server.slack.turn import Turn
from server.slack.web import Refused, Unsure, Web

log: Any = structlog.get_logger("slack")

EVENT_TYPE = "flopwise_answer"
_STEP_PAUSE = 0.7  # between updates of the steps: well under the rate limits of chat.update and chat.appendStream
_AWAY = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action"})
_GONE = frozenset({"message_not_found", "cant_update_message", "thread_not_found", "message_not_in_streaming_state", "edit_window_closed"})
_NO_FIGURE = frozenset({"invalid_blocks", "invalid_blocks_format", "slack_file_not_found", "invalid_slack_file"})

Blocks = list[dict[str, Any]]


class Delivery:
    """The way of one answer. `step` may be called at any time; `finish` once; `later` closes the stream and leaves a note."""

    def __init__(self, web: Web, memory: Memory, turn: Turn, opened: str = "", resumed: bool = False) -> None:
        self._web, self._memory, self.turn = web, memory, turn
        self.ts, self._resumed = opened, resumed
        self._streaming = False
        self._steps: dict[str, dict[str, str]] = {}
        self._told: dict[str, dict[str, str]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Show that somebody is at work. Nothing here is needed for the answer itself."""
        if self.turn.private or not self.turn.thread:
            return
        await self._status("is planning…")
        if not self.ts and not self._resumed:
            self._opening = asyncio.create_task(self._open_stream())
            self._pump = asyncio.create_task(self._show_steps(self._opening))

    def step(self, ident: str, title: str, status: str, details: str = "") -> None:
        """Note a step: pending, in_progress, complete or error."""
        self._steps[ident] = {
            "type": "task_update",
            "id": ident,
            "title": title,
            "status": status,
            **({"details": details} if details else {}),
        }

    async def later(self, text: str) -> None:
        """Close the stream with a note; the answer will be a message of its own."""
        await self._stop_pump()
        if self._streaming:
            self._streaming = False
            await self._try(
                "chat.stopStream", channel=self.turn.channel, ts=self.ts, chunks=[*self._news(), {"type": "markdown_text", "text": text}]
            )
        elif self.ts:
            await self._try("chat.update", channel=self.turn.channel, ts=self.ts, text=text)
        self.ts = ""
        await asyncio.to_thread(self._memory.opened, self.turn.key, "")

    async def finish(self, text: str, blocks: Blocks) -> str:
        """Give the answer; the ts of its message ('' where only the asker sees it). Raises Refused where Slack takes it in no form."""
        await self._stop_pump()
        if self.turn.private:
            return await self._privately(text, blocks)
        try:
            return await self._in_the_open(text, blocks)
        except Refused as error:
            plain = without_figures(blocks)
            if error.error in _NO_FIGURE and len(plain) < len(blocks):
                return await self._in_the_open(text, plain)
            if error.error in _AWAY and self.turn.response_url:
                return await self._respond(text, without_figures(blocks), "in_channel")
            raise
        finally:
            await self._status("")

    async def _in_the_open(self, text: str, blocks: Blocks) -> str:
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": self.turn.key}}
        if self._streaming:
            self._streaming = False
            try:
                await self._web.call(
                    "chat.stopStream", channel=self.turn.channel, ts=self.ts, chunks=self._news() or None, blocks=blocks, metadata=metadata
                )
                return self.ts
            except Refused as error:
                if error.error not in _GONE:
                    raise
                log.info("stream expired", error=error.error)
        if self.ts:
            try:
                await self._web.call("chat.update", channel=self.turn.channel, ts=self.ts, text=text, blocks=blocks, metadata=metadata)
                return self.ts
            except Refused as error:
                if error.error == "streaming_state_conflict":  # opened as a stream by a process that is gone
                    await self._web.call("chat.stopStream", channel=self.turn.channel, ts=self.ts, blocks=blocks, metadata=metadata)
                    return self.ts
                if error.error not in _GONE:
                    raise
        return await self._post(text, blocks, metadata)

    async def _post(self, text: str, blocks: Blocks | None, metadata: dict[str, Any]) -> str:
        """Post once: after a call whose outcome is unknown, the conversation is searched for the message before another is posted."""
        unsure, pause, until = self._resumed, 0.5, time.monotonic() + self._web.patience_seconds
        while True:
            try:
                if unsure and (found := await self._find()):
                    # Found is either the answer or the note that it is being worked on: an update makes it the answer.
                    await self._web.call("chat.update", channel=self.turn.channel, ts=found, text=text, blocks=blocks, metadata=metadata)
                    return await self._at(found)
                reply = await self._web.once(
                    "chat.postMessage",
                    channel=self.turn.channel,
                    thread_ts=self.turn.thread or None,
                    text=text,
                    blocks=blocks,
                    metadata=metadata,
                    unfurl_links=False,
                    unfurl_media=False,
                )
                return await self._at(reply["ts"])
            except Unsure:
                if time.monotonic() > until:
                    raise
                unsure = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, 30.0)

    async def _at(self, ts: str) -> str:
        self.ts = ts
        await asyncio.to_thread(self._memory.opened, self.turn.key, ts)
        return ts

    async def _find(self) -> str:
        """The message that carries this turn's key, or ''."""
        method = "conversations.replies" if self.turn.thread else "conversations.history"
        cursor: str | None = None
        while True:
            where: dict[str, Any] = {"ts": self.turn.thread} if self.turn.thread else {}
            page = await self._web.call(method, channel=self.turn.channel, include_all_metadata=True, limit=200, cursor=cursor, **where)
            for message in page.get("messages", []):
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("key") == self.turn.key:
                    return str(message["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor or not self.turn.thread:
                return ""

    async def _privately(self, text: str, blocks: Blocks) -> str:
        """An ephemeral message cannot be looked up: after a call of unknown outcome it is not sent again, the plan is in App Home."""
        try:
            await self._web.once(
                "chat.postEphemeral",
                channel=self.turn.channel,
                user=self.turn.user,
                thread_ts=self.turn.thread or None,
                text=text,
                blocks=blocks,
            )
        except Refused as error:
            if error.error in _NO_FIGURE and len(without_figures(blocks)) < len(blocks):
                return await self._privately(text, without_figures(blocks))
            if error.error not in _AWAY or not self.turn.response_url:
                raise
            return await self._respond(text, without_figures(blocks), "ephemeral")
        except Unsure as error:
            log.warning("private answer of unknown outcome", call=str(error))
        return ""

    async def _respond(self, text: str, blocks: Blocks, visible: str) -> str:
        """Answer a command where the app is no member of the channel."""
        body = {"text": text, "blocks": blocks, "response_type": visible}
        async with self._web.session.post(self.turn.response_url, json=body) as reply:
            if reply.status != 200:
                raise Refused("response_url", f"status {reply.status}")
        return ""

    async def _show_steps(self, opening: asyncio.Task[None]) -> None:
        await asyncio.shield(opening)
        while True:
            await asyncio.sleep(_STEP_PAUSE)
            news = self._news()
            if not news or not self.ts:
                continue
            if self._streaming:
                try:
                    await self._web.once("chat.appendStream", channel=self.turn.channel, ts=self.ts, chunks=news)
                except Refused as error:
                    log.info("stream closed", error=error.error)
                    self._streaming = False
                except Unsure:
                    continue
            else:
                lines = [f"{_SIGN[item['status']]} {item['title']}" for item in self._steps.values()]
                await self._try("chat.update", channel=self.turn.channel, ts=self.ts, text="\n".join(["Working on it", *lines]))

    async def _open_stream(self) -> None:
        turn = self.turn
        try:
            reply = await self._web.once(
                "chat.startStream",
                channel=turn.channel,
                thread_ts=turn.thread,
                recipient_user_id=turn.user,
                recipient_team_id=turn.team,
                task_display_mode="timeline",
                chunks=self._news() or None,
            )
            self._streaming = True
            await self._at(reply["ts"])
        except Refused as error:
            log.info("no stream", error=error.error)
            metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": turn.key}}
            try:
                reply = await self._web.once(
                    "chat.postMessage", channel=turn.channel, thread_ts=turn.thread, text="Working on it", metadata=metadata
                )
                await self._at(reply["ts"])
            except Unsure:
                self._resumed = True  # the note may be there: look before posting the answer
            except Refused as refusal:
                log.info("no note", error=refusal.error)
        except Unsure as error:
            log.info("stream of unknown outcome", call=str(error))
            self._resumed = True

    def _news(self) -> list[dict[str, str]]:
        news = [item for ident, item in self._steps.items() if self._told.get(ident) != item]
        self._told.update({item["id"]: item for item in news})
        return news

    async def _stop_pump(self) -> None:
        """Let the opening end before the answer goes out: two messages would be one too many."""
        if self._opening is None or self._pump is None:
            return
        await self._opening
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        self._opening = self._pump = None

    async def _status(self, text: str) -> None:
        if self.turn.thread and not self.turn.private and self.turn.channel.startswith("D"):
            await self._try("assistant.threads.setStatus", channel_id=self.turn.channel, thread_ts=self.turn.thread, status=text)

    async def _try(self, method: str, **args: Any) -> None:
        """A courtesy: the answer does not depend on it."""
        try:
            await self._web.call(method, tries=2, **args)
        except (Refused, Unsure) as error:
            log.info("left out", call=method, reason=str(error))


_SIGN = {"pending": "○", "in_progress": "…", "complete": "✓", "error": "✗"}


def without_figures(blocks: Blocks) -> Blocks:
    """Blocks without pictures, for where Slack does not take them."""
    return [block for block in blocks if block["type"] != "image"]
