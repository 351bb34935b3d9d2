"""Calling the Web API: waits as long as Slack says, repeats what may be repeated, and says when it cannot know whether something happened."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

log: Any = structlog.get_logger("slack")

# Errors that say nothing about the request itself: Slack was busy or broken.
_SERVER = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "ekm_access_denied_temporarily"}
)
_BUSY = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded_temporarily"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class Refused(Exception):
    """Slack understood the call and refused it; `error` is its code."""

    def __init__(self, method: str, error: str) -> None:
        super().__init__(f"{method}: {error}")
        self.error = error


class Unsure(Exception):
    """The call may or may not have happened: no answer, or a broken one."""


class Web:
    """The Web API with one workspace's token. Text and tokens are not logged."""

    def __init__(self, token: str, base_url: str, session: aiohttp.ClientSession, timeout_seconds: float, patience_seconds: float) -> None:
        self.client = AsyncWebClient(token, base_url=base_url, session=session, timeout=max(1, round(timeout_seconds)), retry_handlers=[])
        self.session, self.token, self.base_url = session, token, base_url
        self._timeout, self.patience_seconds = timeout_seconds, patience_seconds

    async def once(self, method: str, /, **args: Any) -> dict[str, Any]:
        """One call that must not happen twice: only a rate limit is waited for. Raises Refused, Unsure."""
        until = time.monotonic() + self.patience_seconds
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    reply = await self.client.api_call(method, json={name: value for name, value in args.items() if value is not None})
                return cast(dict[str, Any], reply.data)
            except SlackApiError as error:
                wait = _rate_limited(error)
                if wait is None:
                    raise self._read(method, error) from None
                if time.monotonic() + wait > until:
                    raise Refused(method, "ratelimited") from None
                log.info("rate limited", method=method, seconds=wait)
                await asyncio.sleep(wait)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise Unsure(f"{method}: {type(error).__name__}") from None

    async def call(self, method: str, /, *, tries: int = 1000, **args: Any) -> dict[str, Any]:
        """A call that may happen twice: repeated until Slack answers, patience ends or `tries` are used. Raises Refused, Unsure."""
        until, pause = time.monotonic() + self.patience_seconds, _FIRST_PAUSE
        while True:
            try:
                return await self.once(method, **args)
            except Unsure as error:
                tries -= 1
                if tries <= 0 or time.monotonic() + pause > until:
                    raise
                log.info("again", call=str(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def upload(self, url: str, content: bytes) -> None:
        """Send the bytes of a file to the address Slack gave for it. Raises Unsure."""
        try:
            async with self.session.post(url, data=content, timeout=aiohttp.ClientTimeout(total=60)) as reply:
                if reply.status != 200:
                    raise Unsure(f"upload: status {reply.status}")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unsure(f"upload: {type(error).__name__}") from None

    def _read(self, method: str, error: SlackApiError) -> Refused | Unsure:
        status = getattr(error.response, "status_code", 200)
        code = str(error.response.get("error", "")) if hasattr(error.response, "get") and not isinstance(error.response, str) else ""
        if status >= 500 or code in _SERVER or not code:
            return Unsure(f"{method}: {code or status}")
        return Refused(method, code)


def _rate_limited(error: SlackApiError) -> float | None:
    """The seconds Slack asks to wait, or None where the error is another."""
    response: Any = error.response
    status = getattr(response, "status_code", 200)
    code = response.get("error") if hasattr(response, "get") else None
    if status != 429 and code not in _BUSY:
        return None
    headers = {name.lower(): value for name, value in (getattr(response, "headers", None) or {}).items()}
    try:
        return max(0.0, float(headers.get("retry-after", 1)))
    except ValueError:
        return 1.0
