"""Calling the Web API: waits as long as Slack says, repeats what may be repeated, and says when it cannot know whether something happened."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, cast

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

log: Any = structlog.get_logger("slack")

# Errors that say nothing about the request itself: Slack was busy or broken. Some of it may have been done.
_BROKEN = frozenset({"internal_error", "fatal_error", "team_added_to_org", "ekm_access_denied_temporarily"})
# Errors that say that nothing was done: the call may be repeated whatever it does.
_NOT_DONE = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded_temporarily", "request_timeout", "service_unavailable"})
# Methods that take a form, not JSON.
_BY_FORM = frozenset(
    {"conversations.history", "conversations.replies", "files.completeUploadExternal", "files.getUploadURLExternal", "files.info"}
)
_FIRST_PAUSE, _LONGEST_PAUSE, _COURTESY_SECONDS = 0.5, 30.0, 4.0


class Refused(Exception):
    """Slack understood the call and refused it; `error` is its code."""

    def __init__(self, method: str, error: str) -> None:
        super().__init__(f"{method}: {error}")
        self.error = error


class Unsure(Exception):
    """The call may or may not have happened: no answer, or a broken one; or patience ended before it could be made."""


class Web:
    """The Web API with one workspace's token. Text and tokens are not logged."""

    def __init__(self, token: str, base_url: str, session: aiohttp.ClientSession, timeout_seconds: float, patience_seconds: float) -> None:
        self.client = AsyncWebClient(token, base_url=base_url, session=session, timeout=max(1, round(timeout_seconds)), retry_handlers=[])
        self.session, self.token, self.base_url = session, token, base_url
        self._timeout, self.patience_seconds = timeout_seconds, patience_seconds

    async def once(self, method: str, /, *, patience: float | None = None, **args: Any) -> dict[str, Any]:
        """One call that must not happen twice: it is repeated only while Slack says that nothing was done. Raises Refused, Unsure."""
        given = {name: value for name, value in args.items() if value is not None}
        until, pause = time.monotonic() + (self.patience_seconds if patience is None else patience), _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    reply = await self.client.api_call(method, **_sent(method, given))
                return cast(dict[str, Any], reply.data)
            except SlackApiError as error:
                failure, wait = _read(method, error)
            except aiohttp.ClientConnectorError as error:  # nobody was reached
                failure, wait, pause = Unsure(f"{method}: {type(error).__name__}"), pause, min(2 * pause, _LONGEST_PAUSE)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                failure, wait = Unsure(f"{method}: {type(error).__name__}"), None
            if wait is None or time.monotonic() + wait > until:
                raise failure
            log.info("waits", call=str(failure), seconds=wait)
            await asyncio.sleep(wait)

    async def call(self, method: str, /, *, tries: int = 1000, patience: float | None = None, **args: Any) -> dict[str, Any]:
        """A call that may happen twice: repeated until Slack answers, patience ends or `tries` are used. Raises Refused, Unsure."""
        patience = self.patience_seconds if patience is None else patience
        until, pause = time.monotonic() + patience, _FIRST_PAUSE
        while True:
            try:
                return await self.once(method, patience=until - time.monotonic(), **args)
            except Unsure as error:
                tries -= 1
                if tries <= 0 or time.monotonic() + pause > until:
                    raise
                log.info("again", call=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def courtesy(self, method: str, /, *, tries: int = 2, **args: Any) -> None:
        """A call that no answer depends on: neither waited for nor missed."""
        try:
            async with asyncio.timeout(_COURTESY_SECONDS):
                await self.call(method, tries=tries, patience=_COURTESY_SECONDS, **args)
        except (Refused, Unsure, TimeoutError) as error:
            log.info("left out", call=method, reason=str(error))

    async def post(self, url: str, *, patience: float | None = None, **sent: Any) -> None:
        """Send something to an address that Slack gave (`data=` or `json=`); a rate limit is waited for. Raises Refused, Unsure."""
        until = time.monotonic() + (self.patience_seconds if patience is None else patience)
        while True:
            try:
                async with self.session.post(url, timeout=aiohttp.ClientTimeout(total=60), **sent) as reply:
                    status, wait = reply.status, _seconds(dict(reply.headers))
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise Unsure(f"post: {type(error).__name__}") from None
            if status == 200:
                return
            if status == 429 and time.monotonic() + wait <= until:
                await asyncio.sleep(wait)
                continue
            raise Unsure(f"post: status {status}") if status >= 500 or status == 429 else Refused("post", f"status {status}")


def _sent(method: str, given: dict[str, Any]) -> dict[str, Any]:
    if method not in _BY_FORM:
        return {"json": given}
    return {"data": {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}}


def _read(method: str, error: SlackApiError) -> tuple[Refused | Unsure, float | None]:
    """What a failed call means, and after how many seconds it may be made again (None: not just so)."""
    response: Any = error.response
    status = getattr(response, "status_code", 200)
    code = str(response.get("error") or "") if hasattr(response, "get") else ""
    if status == 429 or code in _NOT_DONE:
        return Unsure(f"{method}: {code or status}"), _seconds(getattr(response, "headers", None) or {})
    if status >= 500 or code in _BROKEN or not code:
        return Unsure(f"{method}: {code or status}"), None
    return Refused(method, code), None


def _seconds(headers: dict[str, Any]) -> float:
    """How long Slack asks to wait; a second where it does not say."""
    told = {name.lower(): value for name, value in headers.items()}.get("retry-after", 1)
    try:
        return max(0.0, float(told))
    except ValueError:
        return 1.0
