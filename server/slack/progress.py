"""What is shown while an answer is being made: a stream of steps where Slack has one, else a note that grows."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from server.slack.memory import Memory
from server.slack.posting import Place, post_once
from server.slack.turn import Turn
from server.slack.web import Refused, Unsure, Web

log: Any = structlog.get_logger("slack")
_STEP_PAUSE = 0.7  # between updates of the steps: well under the rate limits of chat.update and chat.appendStream
_SIGN = {"pending": "○", "in_progress": "…", "complete": "✓", "error": "✗"}

Steps = dict[str, dict[str, str]]


class Progress:
    """The message an answer will go into: `ts` once it is open, `streaming` while it takes steps, `unsure` where it may be there unknown to us."""

    def __init__(self, web: Web, memory: Memory, turn: Turn, place: Place, ts: str, unsure: bool) -> None:
        self._web, self._memory, self._turn, self._place = web, memory, turn, place
        self.ts, self.unsure, self.streaming = ts, unsure, False
        self._again = bool(ts) or unsure  # something is there already, perhaps the answer: it is left alone until `put`
        self._steps: Steps = {}
        self._told: Steps = {}
        self._opening: asyncio.Task[None] | None = None
        self._pump: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Show that somebody is at work. Nothing here is needed for the answer itself, and nothing waits for it."""
        self._opening = asyncio.create_task(self._open())
        self._pump = asyncio.create_task(self._show(self._opening))

    async def settle(self) -> None:
        """Let the opening end before the answer goes out: two messages would be one too many."""
        if self._opening is None or self._pump is None:
            return
        await self._opening
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        self._opening = self._pump = None

    def step(self, ident: str, title: str, status: str, details: str = "") -> None:
        """Note a step: pending, in_progress, complete or error."""
        told = {"details": details} if details else {}
        self._steps[ident] = {"type": "task_update", "id": ident, "title": title, "status": status, **told}

    def news(self) -> list[dict[str, str]]:
        """The steps that were not shown yet; they count as shown."""
        news = [item for ident, item in self._steps.items() if self._told.get(ident) != item]
        self._told.update({item["id"]: item for item in news})
        return news

    async def status(self, text: str) -> None:
        """The line under the name in the agent view; '' takes it away."""
        turn = self._turn
        if turn.thread and not turn.private and turn.channel.startswith("D"):
            await self._web.courtesy("assistant.threads.setStatus", channel_id=turn.channel, thread_ts=turn.thread, status=text)

    async def opened(self, ts: str) -> None:
        """Remember the message, here and for whoever takes over."""
        self.ts = ts
        await asyncio.to_thread(self._memory.opened, self._turn.key, ts)

    async def _open(self) -> None:
        await self.status("is planning…")
        if self._again:
            return
        try:
            if not (self._turn.thread and await self._stream()):
                await self.opened(await post_once(self._web, self._place, "Working on it", None, False))
        except Refused as error:
            log.info("no note", error=error.error)
        except Unsure as error:
            log.info("opening of unknown outcome", call=str(error))
            self.unsure = True

    async def _stream(self) -> bool:
        """Open a stream; False where Slack has none here."""
        turn = self._turn
        first = {"type": "task_update", "id": self._place.mark, "title": "Taken up", "status": "complete"}
        try:
            reply = await self._web.once(
                "chat.startStream",
                channel=turn.channel,
                thread_ts=turn.thread,
                recipient_user_id=turn.user,
                recipient_team_id=turn.team,
                task_display_mode="timeline",
                chunks=[first, *self.news()],
            )
        except Refused as error:
            log.info("no stream", error=error.error)
            return False
        self.streaming = True
        await self.opened(reply["ts"])
        return True

    async def _show(self, opening: asyncio.Task[None]) -> None:
        await asyncio.shield(opening)
        while not self._again:
            await asyncio.sleep(_STEP_PAUSE)
            news = self.news()
            if not news or not self.ts:
                continue
            if not self.streaming:
                lines = [f"{_SIGN[item['status']]} {item['title']}" for item in self._steps.values()]
                await self._web.courtesy("chat.update", channel=self._turn.channel, ts=self.ts, text="\n".join(["Working on it", *lines]))
                continue
            try:
                await self._web.once("chat.appendStream", channel=self._turn.channel, ts=self.ts, chunks=news)
            except Refused as error:
                log.info("stream closed", error=error.error)
                self.streaming = False
            except Unsure as error:
                log.info("step not shown", reason=str(error))
