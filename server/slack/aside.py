"""Ways to the asker that nobody can look up afterwards, each tried once; and the direct message, which can be looked up."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from server.slack.blocks import context
from server.slack.limits import fitting
from server.slack.memory import UNSEEN, Memory
from server.slack.posting import Blocks, Place, post_once
from server.slack.turn import Turn
from server.slack.web import Refused, Unsure, Web

log: Any = structlog.get_logger("slack")
AWAY = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "user_not_in_channel"})


class Aside:
    """An ephemeral message or one by a response_url. After one of unknown outcome the answer goes into the direct messages instead:
    lost is worse than read in two places, and in neither place does it come twice.
    """

    def __init__(self, web: Web, memory: Memory, turn: Turn, unsure: bool) -> None:
        self._web, self._memory, self._turn, self._unsure = web, memory, turn, unsure

    async def privately(self, text: str, blocks: Blocks) -> None:
        """For the asker's eyes, in the conversation itself where possible. Raises Refused, Unsure."""
        turn = self._turn
        if not self._unsure:
            await self._sending()
            try:
                await self._web.once(
                    "chat.postEphemeral", channel=turn.channel, user=turn.user, thread_ts=turn.thread or None, text=text, blocks=blocks
                )
                return
            except Refused as error:
                if error.error not in AWAY:
                    raise
            except Unsure as error:
                log.warning("private answer of unknown outcome", call=str(error))
                self._unsure = True
        await self.respond(text, blocks, "ephemeral")

    async def respond(self, text: str, blocks: Blocks, visible: str) -> None:
        """By the address a command or a button came with, where the app is no member of the channel. Raises Refused, Unsure."""
        if self._turn.response_url and not self._unsure:
            await self._sending()
            try:
                body = {"text": text, "blocks": blocks, "response_type": visible, "replace_original": False}
                await self._web.post(self._turn.response_url, json=body)
                return
            except Refused as error:
                log.warning("not answered by response_url", reason=str(error))
            except Unsure as error:
                log.warning("response of unknown outcome", reason=str(error))
                self._unsure = True
        await self._directly(text, blocks)

    async def _directly(self, text: str, blocks: Blocks) -> None:
        opened = await self._web.call("conversations.open", users=self._turn.user)
        place = Place(str(opened["channel"]["id"]), "", self._turn.key)
        there = f"<#{self._turn.channel}>" if self._turn.channel[:1] in "CG" else "where you asked"
        why = f"Sent here since it may not have arrived {there}." if self._unsure else f"Sent here since I cannot write {there}."
        await post_once(self._web, place, text, fitting([context(why), *blocks]), unsure=True)

    async def _sending(self) -> None:
        """Said before it is sent: whoever takes over cannot know whether it arrived."""
        await asyncio.to_thread(self._memory.opened, self._turn.key, UNSEEN)
