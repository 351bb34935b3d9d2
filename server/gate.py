"""The gate every request passes, mounted apps included: request id, host, key, rate, size; and headers, log and metrics of every response."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.compose import versions
from server.auth import Caller, look_up
from server.errors import document, respond
from server.models import FieldError
from server.settings import Settings, is_loopback

# Open without a key: they say nothing about anybody. Shared plans are opened by their token, Slack's requests by their signature.
OPEN = ("/health/live", "/health/ready", "/v1/shared/", "/slack/", "/static/", "/favicon.ico")
OPEN_EXACT = ("/",)
UPLOADS = ("/v1/runs", "/v1/estimates", "/v1/import")
_SAFE = ("GET", "HEAD", "OPTIONS")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)


class TooLarge(HTTPException):
    """The body grew over the limit while it came in."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body has more than {limit} bytes")


class Metrics:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("flopwise_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "flopwise_request_seconds", "Time to the end of a response", ("route",), buckets=_BUCKETS, registry=self.registry
        )
        self.running = Gauge("flopwise_requests_running", "Requests being answered", registry=self.registry)


class Buckets:
    """A token bucket a caller: `rate` requests a minute, a sixth of that at once."""

    def __init__(self, rate: int) -> None:
        self.per_second, self.size = rate / 60, max(rate / 6, 1.0)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Seconds until the caller may ask; 0 when it may, and the request is counted."""
        moment = time.monotonic()
        level, since = self._levels.pop(who, (self.size, moment))
        level = min(self.size, level + (moment - since) * self.per_second)
        self._levels[who] = (level - 1 if level >= 1 else level, moment)
        if len(self._levels) > 10_000:
            self._levels.popitem(last=False)
        return 0.0 if level >= 1 else (1 - level) / self.per_second


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, open_paths: Iterable[str] = ()) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.open_paths = (*OPEN, *open_paths)
        self.buckets = Buckets(settings.rate_per_minute)
        self.log: Any = structlog.get_logger("request")
        told = versions()
        self.headers = {
            "Flopwise-Version": told["flopwise"],
            "Flopwise-Law-Base": told["law_base"],
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        ident = given if 0 < len(given) <= 64 and given.isascii() and given.replace("-", "").isalnum() else secrets.token_hex(8)
        begun, status = time.perf_counter(), 500
        sent = False

        async def told(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status, sent = message["status"], True
                out = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    out.setdefault(name, value)
                out["X-Request-Id"] = ident
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=ident)
        self.metrics.running.inc()
        try:
            refused = await self._refusal(scope, headers)
            if refused is not None:
                await refused(scope, receive, told)
            else:
                await self.app(scope, self._limited(scope, receive), told)
        except TooLarge as error:
            if sent:
                raise
            await respond(document(413, "Too large", error.detail, [FieldError(pointer="/", detail=error.detail)]))(scope, receive, told)
        except Exception as error:
            self.log.error("fault", error=type(error).__name__, exc_info=error)
            if sent:
                raise
            await respond(document(500, "Internal error", f"a fault of flopwise; request id {ident} finds it in the log"))(
                scope, receive, told
            )
        finally:
            self.metrics.running.dec()
            self._tell(scope, status, time.perf_counter() - begun)
            structlog.contextvars.unbind_contextvars("request_id")

    async def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What to answer in place of the app; None lets the request in, with `scope["caller"]` set."""
        scope["caller"] = Caller(owner="", scopes=())
        foreign = self._foreign(headers)
        if foreign:
            return respond(
                document(421 if foreign == "host" else 403, "Not for this server", f"the request's {foreign} is not one of this server's")
            )
        try:
            size = int(headers.get("content-length", "0") or 0)
        except ValueError:
            size = 0
        if size > self._limit(scope):
            text = f"the body has {size} bytes, the limit is {self._limit(scope)}"
            return respond(document(413, "Too large", text, [FieldError(pointer="/", detail=text)]), {"Connection": "close"})
        path = scope["path"]
        if path in OPEN_EXACT or path.startswith(self.open_paths):
            return None
        if not self.settings.keys_required:
            scope["caller"] = Caller()
            return None
        return await self._with_key(scope, headers)

    async def _with_key(self, scope: Scope, headers: Headers) -> Response | None:
        kind, _, secret = headers.get("authorization", "").partition(" ")
        found: Caller | None = None
        if kind.lower() == "bearer" and secret.strip():
            found = await run_in_threadpool(look_up, scope["app"].state.store, secret.strip())
        if found is None:
            return respond(
                document(401, "A key is needed", "send Authorization: Bearer KEY; `flopwise keys create` makes one"),
                {"WWW-Authenticate": "Bearer"},
            )
        needed = "admin" if scope["path"] == "/metrics" else "read" if scope["method"] in _SAFE else "write"
        if needed not in found.scopes:
            return respond(document(403, "The key does not allow this", f"the request needs the scope {needed}"))
        wait = self.buckets.wait(found.key_id)
        if wait:
            return respond(
                document(429, "Too many requests", f"at most {self.settings.rate_per_minute} a minute"), {"Retry-After": str(int(wait) + 1)}
            )
        scope["caller"] = found
        return None

    def _foreign(self, headers: Headers) -> str:
        # A page of another site may reach a server on loopback through the browser: by a name that resolves here, or by a form.
        host = urlsplit("//" + headers.get("host", "")).hostname or ""
        if self.settings.on_loopback and not (is_loopback(host) or host in ("testserver", *self.settings.allowed_hosts)):
            return "host"
        origin = headers.get("origin")
        same = origin is None or urlsplit(origin).netloc == headers.get("host", "") or origin in self.settings.cors_origins
        return "" if same else "origin"

    def _limit(self, scope: Scope) -> int:
        return self.settings.max_upload_bytes if scope["path"].startswith(UPLOADS) else self.settings.max_body_bytes

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that stops when a body without a stated length grows too large."""
        limit, got = self._limit(scope), 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b"")) if message["type"] == "http.request" else 0
            if got > limit:
                raise TooLarge(limit)
            return message

        return counted

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self.metrics.requests.labels(scope["method"], route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if route.startswith("/health") and status == 200:
            return
        self.log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            owner=scope["caller"].owner,
            key=scope["caller"].key_id,
        )


def _route(scope: Scope) -> str:
    """The path with its ids replaced by their names, so that labels stay few; `none` where no route took the request."""
    if "route" not in scope and "endpoint" not in scope:
        return "none"
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join("{" + names[part] + "}" if part in names else part for part in scope["path"].split("/"))
