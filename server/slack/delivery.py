"""Bringing one answer into Slack exactly once: streamed steps where they can be, one message whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import structlog

from server.slack.aside import AWAY, Aside
from server.slack.blocks import section
from server.slack.limits import fitting
from server.slack.memory import LATER, UNSEEN, Claim, Memory
from server.slack.posting import GONE, Blocks, Place, post_once, put
from server.slack.progress import Progress
from server.slack.text import cut, mrkdwn
from server.slack.turn import Turn
from server.slack.web import Refused, Web

log: Any = structlog.get_logger("slack")

_NOT_TAKEN = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "slack_file_not_found", "invalid_slack_file", "msg_blocks_too_long", "msg_too_long"}
)


class TakenOver(Exception):
    """The turn is another process's by now, or was withdrawn: nothing is said."""


class Delivery:
    """The way of one answer. `step` may be called at any time; `finish` once; `later` closes the stream and leaves a note."""

    def __init__(self, web: Web, memory: Memory, turn: Turn, claim: Claim, opened: str = "", resumed: bool = False) -> None:
        self._web, self._memory, self.turn, self._claim = web, memory, turn, claim
        self._place = Place(turn.channel, turn.thread, turn.key + ("/later" if opened == LATER else ""))
        ts = "" if opened in (LATER, UNSEEN) else opened
        self._progress = Progress(web, memory, turn, self._place, ts, resumed)
        self._aside = Aside(web, memory, turn, opened == UNSEEN)

    def start(self) -> None:
        """Show that somebody is at work."""
        if not self.turn.private:
            self._progress.start()

    def step(self, ident: str, title: str, status: str, details: str = "") -> None:
        """Note a step: pending, in_progress, complete or error."""
        self._progress.step(ident, title, status, details)

    async def later(self, text: str) -> None:
        """Close the stream with a note; the answer will be a message of its own."""
        shown = self._progress
        await shown.settle()
        if self._place.key != self.turn.key:
            return  # said already, by a process that is gone
        if shown.streaming:
            shown.streaming = False
            chunks = [*shown.news(), {"type": "markdown_text", "text": text}]
            await self._web.courtesy("chat.stopStream", channel=self.turn.channel, ts=shown.ts, chunks=chunks)
        elif shown.ts:
            await self._web.courtesy("chat.update", channel=self.turn.channel, ts=shown.ts, text=text)
        await shown.opened(LATER)
        shown.ts, shown.unsure = "", False
        self._place = self._place._replace(key=f"{self.turn.key}/later")

    async def finish(self, text: str, blocks: Blocks) -> str:
        """Give the answer; the ts of its message ('' where it is no message of the conversation). Raises Refused where Slack takes
        it in no form, Unsure where patience ended, TakenOver.
        """
        await self._progress.settle()
        if not await asyncio.to_thread(self._memory.held, self._claim):
            raise TakenOver(self.turn.key)
        text = mrkdwn(cut(text, 2000))
        refused = Refused("finish", "nothing to say")
        try:
            for form in _forms(text, blocks):
                try:
                    return await self._give(text, form)
                except Refused as error:
                    if error.error not in _NOT_TAKEN:
                        raise
                    log.warning("not taken", error=error.error)
                    refused = error
            raise refused
        finally:
            await self._progress.status("")

    async def _give(self, text: str, blocks: Blocks) -> str:
        if self.turn.private:
            await self._aside.privately(text, blocks)
            return ""
        try:
            return await self._in_the_open(text, blocks)
        except Refused as error:
            if error.error not in AWAY:
                raise
            await self._aside.respond(text, blocks, "in_channel")
            return ""

    async def _in_the_open(self, text: str, blocks: Blocks) -> str:
        shown, web, place = self._progress, self._web, self._place
        if shown.streaming:
            shown.streaming = False
            try:
                await web.call(
                    "chat.stopStream",
                    channel=place.channel,
                    ts=shown.ts,
                    chunks=shown.news() or None,
                    blocks=blocks,
                    metadata=place.metadata,
                )
                return shown.ts
            except Refused as error:
                if error.error not in GONE:
                    raise
                log.info("stream expired", error=error.error)
        if shown.ts and await put(web, place, shown.ts, text, blocks):
            return shown.ts
        await shown.opened(await post_once(web, place, text, blocks, shown.unsure))
        return shown.ts


def _forms(text: str, blocks: Blocks) -> Iterator[Blocks]:
    """An answer as it is meant, without its picture, and at the least its headline with the buttons."""
    whole = fitting(blocks)
    yield whole
    plain = [block for block in whole if block["type"] != "image"]
    if len(plain) < len(whole):
        yield plain
    yield [section(text), *(block for block in whole if block["type"] == "actions")]
