"""The desk: takes turns up once, works on them beside the event loop, and brings what comes of them into Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import aiohttp
import structlog

from agent.answer import Answer
from agent.brief import Brief
from server.errors import NotThere
from server.jobs import Jobs
from server.plans import Plans
from server.slack import questions
from server.slack.blocks import notice_blocks
from server.slack.delivery import Delivery, TakenOver
from server.slack.fits import fit_table
from server.slack.memory import Claim, Memory
from server.slack.oauth import Speakers
from server.slack.quota import over_limit
from server.slack.settings import SlackSettings
from server.slack.turn import Turn
from server.slack.web import Refused, Unsure, Web
from server.slack.workers import Workers, picture

log: Any = structlog.get_logger("slack")
T = TypeVar("T")
_CLAIM_SECONDS = 0.07  # how long an acknowledgement waits for a claim
_WAITING = 64  # turns that may wait for plans at a time; the plans themselves are made by the few threads of `Plans`


class Desk:
    """Everything a turn needs: the store, the plans, the jobs and the Web API."""

    def __init__(
        self, settings: SlackSettings, memory: Memory, plans: Plans, jobs: Jobs, speakers: Speakers, workers: Workers | None = None
    ) -> None:
        self.workers = workers
        self.settings, self.memory, self.plans, self.jobs, self.speakers = settings, memory, plans, jobs, speakers
        self.session: aiohttp.ClientSession | None = None
        self._waiting = ThreadPoolExecutor(_WAITING, thread_name_prefix="slack-turn")
        self._records = ThreadPoolExecutor(4, thread_name_prefix="slack-record")
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="slack-figure")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._taking: set[asyncio.Future[bool]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin: take up what was left behind, and keep looking for it."""
        self.session = aiohttp.ClientSession()
        self._watch = asyncio.create_task(self._watch_over())

    async def close(self, patience_seconds: float = 10.0) -> None:
        """End: what is under way gets time, the rest is left for another process or the next start."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=patience_seconds)
        left = list(self._running)
        for task in list(self._running.values()):
            task.cancel()
        if left:
            await self.record(self.memory.release, left)
        if self.session is not None:
            await self.session.close()
        for pool in (self._waiting, self._records, self._drawing):
            pool.shutdown(wait=False, cancel_futures=True)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def record(self, call: Callable[..., T], *args: Any) -> T:
        """A short call of the store, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._records, call, *args)

    async def think(self, call: Callable[..., T], *args: Any) -> T:
        """A call that may wait for plans, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._waiting, call, *args)

    async def draw(self, spec: dict[str, Any]) -> bytes | None:
        """A figure as PNG, one at a time; None without the extra `figures`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._drawing, self.workers.draw if self.workers is not None else picture, spec
        )

    async def take_soon(self, turn: Turn, event_id: str = "") -> None:
        """Take a turn up before Slack is told that it arrived; a slow store is not waited for."""
        taking = asyncio.ensure_future(self.take(turn, event_id))
        self._taking.add(taking)
        taking.add_done_callback(self._taken)
        await asyncio.wait([taking], timeout=_CLAIM_SECONDS)

    def _taken(self, taking: asyncio.Future[bool]) -> None:
        self._taking.discard(taking)
        if not taking.cancelled() and (error := taking.exception()) is not None:
            log.error("not taken up", error=type(error).__name__)

    async def take(self, turn: Turn, event_id: str = "") -> bool:
        """Take a turn up and begin on it, unless it was taken up before by whichever process."""
        if not await self.record(self.memory.claim, turn, event_id):
            log.info("seen before", kind=turn.kind, team=turn.team)
            return False
        self._begin(turn)
        return True

    def _begin(self, turn: Turn, resumed: bool = False) -> None:
        task = asyncio.create_task(self._work(turn, resumed), name=f"slack {turn.kind}")
        self._running[turn.key] = task
        task.add_done_callback(lambda _: self._running.pop(turn.key, None))

    async def _watch_over(self) -> None:
        lease = self.settings.lease_seconds
        while True:
            try:
                if self._running:
                    await self.record(self.memory.renew, list(self._running))
                for turn in await self.record(self.memory.abandoned):
                    if turn.key not in self._running:
                        log.info("taken over", kind=turn.kind, team=turn.team)
                        self._begin(turn, resumed=True)
            except Exception as error:  # noqa: BLE001 - the store may be away for a while; the watch goes on
                log.warning("watch", error=type(error).__name__)
            await asyncio.sleep(lease / 4)

    async def web(self, enterprise: str, team: str) -> Web | None:
        """The Web API of a workspace; None where the app is not installed."""
        found = await self.speakers.find(enterprise, team)
        if found is None or self.session is None:
            return None
        return Web(found[0], self.settings.api_url, self.session, self.settings.call_timeout_seconds, self.settings.patience_seconds)

    async def _work(self, turn: Turn, resumed: bool) -> None:
        web, row = await self.web(turn.enterprise, turn.team), await self.record(self.memory.row, turn.key)
        if web is None or row is None:
            log.warning("not installed", team=turn.team)
            await self.record(self.memory.done, turn.key)
            return
        claim = (turn.key, row.attempts)
        delivery = Delivery(web, self.memory, turn, claim, row.ts, resumed)
        try:
            refusal = "" if resumed or turn.kind in ("edit", "delete") else await self.record(over_limit, self.memory, self.settings, turn)
            if refusal:
                await self._tell(web, turn, refusal)
            else:
                await self._do(web, turn, delivery, claim)
        except TakenOver:
            log.info("given up to another", kind=turn.kind, team=turn.team)
            return
        except Unsure as error:  # patience has ended: left open, for a later try
            log.warning("not delivered", call=str(error), team=turn.team)
            return
        except Refused as error:
            log.warning("refused by Slack", error=error.error, kind=turn.kind, team=turn.team)
        except Exception as error:  # a fault of ours: the asker is told, the turn ends
            log.error("failed", kind=turn.kind, error=type(error).__name__, exc_info=True)
            await self._sorry(delivery)
        await self.record(self.memory.done, turn.key)

    async def _do(self, web: Web, turn: Turn, delivery: Delivery, claim: Claim) -> None:
        if turn.kind == "fit":
            await fit_table(self, web, turn, delivery)
        elif turn.kind == "delete":
            await questions.taken_back(self, web, turn)
        elif turn.kind == "edit":
            await questions.edited(self, web, turn, claim)
        elif turn.kind == "share":
            await questions.shared(self, web, turn, delivery)
        elif turn.kind == "explain":
            await questions.explained(self, turn, delivery)
        else:
            await questions.answered(self, web, turn, delivery)

    async def _tell(self, web: Web, turn: Turn, text: str) -> None:
        """A word to the asker alone."""
        await web.courtesy("chat.postEphemeral", tries=1, channel=turn.channel, user=turn.user, thread_ts=turn.thread or None, text=text)

    async def _sorry(self, delivery: Delivery) -> None:
        text = "Something went wrong on our side; it is in the log. Please ask again."
        try:
            await delivery.finish(text, notice_blocks(text))
        except (Refused, Unsure, TakenOver) as error:
            log.warning("not told", reason=str(error))

    async def plan_of(self, owner: str, plan_id: str) -> Answer | None:
        """A plan's answer for a form, or None where it is gone."""
        try:
            return (await self.think(self.plans.get, owner, plan_id)).out.answer
        except NotThere:
            return None

    async def brief_from(
        self, call: Callable[[Answer, dict[str, str]], tuple[Brief | None, dict[str, str]]], answer: Answer, given: dict[str, str]
    ) -> tuple[Brief | None, dict[str, str]]:
        """What a form says, read beside the event loop."""
        return await self.record(call, answer, given)
