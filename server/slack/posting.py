"""Posting once: a message carries the key of what it answers, so that it can be found again after a call of unknown outcome."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any, NamedTuple

from server.slack.web import Refused, Unsure, Web

EVENT_TYPE = "flopwise_answer"
GONE = frozenset({"message_not_found", "cant_update_message", "thread_not_found", "message_not_in_streaming_state", "edit_window_closed"})
_PAGES = 5  # of 200 messages: how far a thread is searched

Blocks = list[dict[str, Any]]


class Place(NamedTuple):
    """Where messages go, and the key they carry there."""

    channel: str
    thread: str
    key: str

    @property
    def metadata(self) -> dict[str, Any]:
        """What a message carries, unseen."""
        return {"event_type": EVENT_TYPE, "event_payload": {"key": self.key}}

    @property
    def mark(self) -> str:
        """The key as the id of a step: a stream carries no metadata before it ends."""
        return "turn-" + hashlib.sha256(self.key.encode()).hexdigest()[:16]


async def find(web: Web, place: Place) -> str:
    """The ts of the message that carries the place's key, or ''. Raises Refused where the conversation cannot be read."""
    method = "conversations.replies" if place.thread else "conversations.history"
    cursor: str | None = None
    for _ in range(_PAGES if place.thread else 1):
        page = await web.call(method, channel=place.channel, ts=place.thread or None, include_all_metadata=True, limit=200, cursor=cursor)
        for message in page.get("messages", []):
            carried = (message.get("metadata") or {}).get("event_payload") or {}
            if carried.get("key") == place.key or place.mark in json.dumps(message):
                return str(message["ts"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    return ""


async def put(web: Web, place: Place, ts: str, text: str, blocks: Blocks) -> bool:
    """Make a message that is there the answer; False where it is gone. May be repeated. Raises Refused, Unsure."""
    given: dict[str, Any] = {"channel": place.channel, "ts": ts, "blocks": blocks, "metadata": place.metadata}
    try:
        try:
            await web.call("chat.update", text=text, **given)
        except Refused as error:
            if error.error != "streaming_state_conflict":  # opened as a stream, by a process that is gone
                raise
            await web.call("chat.stopStream", **given)
    except Refused as error:
        if error.error not in GONE:
            raise
        return False
    return True


async def post_once(web: Web, place: Place, text: str, blocks: Blocks | None, unsure: bool) -> str:
    """The ts of the answer's message, posted unless it is there. `unsure`: it may be there already. Raises Refused, Unsure."""
    pause, until = 0.5, time.monotonic() + web.patience_seconds
    while True:
        try:
            # What is found is the answer, a note that it is being worked on, or a stream left open: an update makes it the answer.
            if unsure and blocks is not None and (found := await find(web, place)) and await put(web, place, found, text, blocks):
                return found
            reply = await web.once(
                "chat.postMessage",
                channel=place.channel,
                thread_ts=place.thread or None,
                text=text,
                blocks=blocks,
                metadata=place.metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
            return str(reply["ts"])
        except Unsure:
            if blocks is None or time.monotonic() > until:
                raise
            unsure = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)
