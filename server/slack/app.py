"""The Slack app: Bolt listeners that acknowledge and hand over to the desk, served over HTTP or a socket."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, cast

import structlog
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.jobs import Jobs, Runner, worker_name
from server.plans import Plans
from server.settings import Settings
from server.slack import events, interactions
from server.slack.desk import Desk
from server.slack.memory import Memory
from server.slack.oauth import Installations, Speakers, oauth_flow
from server.slack.sealing import Seal
from server.slack.settings import SlackSettings
from server.slack.workers import Workers
from server.store.engine import Store

log: Any = structlog.get_logger("slack")
_NOTE_SECONDS = 0.06  # how long an acknowledgement waits for the store; what takes longer goes on behind it


class SlackFace:
    """Bolt, the desk and what they share. `start` and `stop` frame its life."""

    def __init__(self, settings: SlackSettings, service: Settings) -> None:
        self.settings, self.service = settings, service
        self._stack = ExitStack()

    async def start(self, *, run_jobs: bool | None = None) -> None:
        """Open the store and begin. `run_jobs`: whether fits run in this process; by default where the service would."""
        await asyncio.to_thread(self._open, self.service.runs_jobs if run_jobs is None else run_jobs)
        await self.desk.open()

    def _open(self, run_jobs: bool) -> None:
        store = Store(self.service.store_url)
        self._stack.callback(store.close)
        self.store, self.memory = store, Memory(store, self.settings.lease_seconds)
        self.memory.tidy()
        plans = Plans(store, self.service)
        workers = Workers(self.settings.plan_processes) if self.settings.plan_processes else None
        if workers is not None:
            plans.pool.shutdown(wait=False)
            plans.pool = cast(Any, workers)
            workers.start()
        self._stack.callback(plans.close)
        jobs = Jobs(store)
        self._stack.callback(jobs.close)
        if run_jobs:
            runner = Runner(store, plans, self.service, f"slack-{worker_name()}")
            runner.start()
            self._stack.callback(runner.stop)
        keys = self.settings.token_keys
        self.installations = Installations(store, Seal(keys.get_secret_value()) if keys else None)
        self.speakers = Speakers(self.settings, self.installations)
        self.desk = Desk(self.settings, self.memory, plans, jobs, self.speakers, workers)
        self.flow = oauth_flow(self.settings, self.installations, store)
        self.bolt = self._bolt()

    def _bolt(self) -> AsyncApp:
        secret, speakers = self.settings.signing_secret, self.speakers

        async def authorize(enterprise_id: str | None, team_id: str | None, user_id: str | None) -> Any:  # AuthorizeResult or None
            return await speakers.authorize(enterprise_id, team_id, user_id)  # Bolt takes a function, not a method

        bolt = AsyncApp(
            signing_secret=secret.get_secret_value() if secret else "socket-mode",
            authorize=authorize,
            client=AsyncWebClient(base_url=self.settings.api_url),
            ignoring_self_events_enabled=True,
            logger=_quiet(),
        )
        events.register(bolt, self.desk, self.installations)
        interactions.register(bolt, self.desk)
        return bolt

    async def stop(self) -> None:
        """End: turns under way get time, the rest is left to others."""
        await self.desk.close()
        await asyncio.to_thread(self._stack.close)

    async def seen_before(self, signature: str) -> bool:
        """Whether this very request came before, to whichever process. A slow store is not waited for: claims drop repeats all the same."""
        key = "request:" + hashlib.sha256(signature.encode()).hexdigest()
        noted = asyncio.ensure_future(self.desk.record(self.memory.first, key, "request"))
        done, _ = await asyncio.wait([noted], timeout=_NOTE_SECONDS)
        return bool(done) and not noted.result()


def _quiet() -> logging.Logger:
    """Bolt's logger without debug output: that would hold bodies and tokens."""
    logger = logging.getLogger("slack_bolt.flopwise")
    logger.setLevel(logging.WARNING)
    return logger


def create_app(
    settings: SlackSettings, service: Settings, *, run_jobs: bool | None = None, on_start: Callable[[SlackFace], None] | None = None
) -> Starlette:
    """The HTTP app: `/slack/events` for everything Slack sends, `/slack/install` and `/slack/oauth_redirect`, `/healthz`."""
    settings.require(socket=False)
    face = SlackFace(settings, service)
    verifier = SignatureVerifier(settings.signing_secret.get_secret_value() if settings.signing_secret else "")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await face.start(run_jobs=run_jobs)
        if on_start is not None:
            on_start(face)
        yield
        await face.stop()

    async def receive(request: Request) -> Response:
        body = await request.body()
        if not verifier.is_valid_request(body, dict(request.headers)):
            return PlainTextResponse("signature or timestamp not valid", status_code=401)
        if await face.seen_before(request.headers["x-slack-signature"]):
            return PlainTextResponse("seen before", status_code=409)
        return to_starlette_response(await face.bolt.async_dispatch(to_async_bolt_request(request, body)))

    async def install(request: Request) -> Response:
        if face.flow is None:
            return PlainTextResponse("Not found", status_code=404)
        handle = face.flow.handle_installation if request.url.path == "/slack/install" else face.flow.handle_callback
        return to_starlette_response(await handle(to_async_bolt_request(request, b"")))

    async def health(_request: Request) -> Response:
        await asyncio.to_thread(face.store.ping)
        return PlainTextResponse("ok")

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/slack/events", receive, methods=["POST"]),
            Route("/slack/install", install),
            Route("/slack/oauth_redirect", install),
            Route("/healthz", health),
        ],
    )


async def run_socket(
    settings: SlackSettings,
    service: Settings,
    stop: asyncio.Event,
    *,
    run_jobs: bool | None = None,
    on_start: Callable[[SlackFace], None] | None = None,
) -> None:
    """Serve over a socket until told to stop: nothing of ours has to be reachable from outside."""
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

    settings.require(socket=True)
    assert settings.app_token is not None
    face = SlackFace(settings, service)
    await face.start(run_jobs=run_jobs)
    handler = AsyncSocketModeHandler(
        face.bolt, settings.app_token.get_secret_value(), logger=_quiet(), web_client=AsyncWebClient(base_url=settings.api_url)
    )
    try:
        await handler.connect_async()
        if on_start is not None:
            on_start(face)
        await stop.wait()
    finally:
        await handler.close_async()
        await face.stop()
