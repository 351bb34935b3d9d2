"""A conversation with a language model under one time limit: calls, what they cost, and why one failed.

Nothing here trusts what comes back; it only sees that something comes back in time.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from agent.state import Context

RETRIES = 2  # after 429 or 503 with a Retry-After that fits into the limit
REPLY_LIMIT = 60_000  # characters of a reply that are read
_loaded: set[str] = set()  # providers whose library this process has loaded


class ModelFailure(Exception):
    """The model gave nothing usable; the text says why, without anything the server sent."""


class Session:
    """One question's calls of a language model. Every call ends by the session's deadline, whatever the server does."""

    def __init__(self, context: Context, asked_at: float | None = None) -> None:
        self.name = context.model or ""
        self.seconds = context.model_timeout_seconds
        self.deadline = (time.monotonic() if asked_at is None else asked_at) + self.seconds
        self.calls = self.tokens_in = self.tokens_out = 0
        self.failure = ""
        self._context = context
        self._chat: Any = None
        self._http: Any = None

    @property
    def provider(self) -> str:
        """The part of the model's name that says whose library speaks to it."""
        return self.name.partition(":")[0]

    @property
    def usable(self) -> bool:
        """Whether a further call makes sense: nothing failed for good, and there is time."""
        return not self.failure and self.remaining() > 0

    def remaining(self) -> float:
        """Seconds to the deadline."""
        return self.deadline - time.monotonic()

    def complete(
        self,
        messages: list[Any],
        *,
        schema: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        share: float = 1.0,
        meanwhile: Callable[[], object] | None = None,
    ) -> Any:
        """The model's message. `share`: part of the whole limit this call must end in; `meanwhile` runs while it is waited for.

        Raises ModelFailure.
        """
        end = self.deadline - self.seconds * (1.0 - share)
        if meanwhile is not None and self.provider not in _loaded:
            # Loading a provider's library takes a second of computing, which in a thread beside `meanwhile` would only slow both down.
            meanwhile()
            meanwhile = None
        if time.monotonic() >= end:
            raise self._failed("could not be asked within its limit")
        box: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                box.put((self._call(messages, schema, tools, end), None))
            except BaseException as error:  # noqa: BLE001 - told to the waiting side
                box.put((None, error))

        threading.Thread(target=work, daemon=True, name="language-model").start()
        if meanwhile is not None:
            meanwhile()
        try:
            reply, error = box.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            self.close()
            raise self._failed("did not answer in time") from None
        if error is not None:
            raise self._failed(reason(error)) from None
        self.calls += 1
        usage = getattr(reply, "usage_metadata", None) or {}
        self.tokens_in += int(usage.get("input_tokens") or 0)
        self.tokens_out += int(usage.get("output_tokens") or 0)
        return reply

    def close(self) -> None:
        """Drop the connection, so that a thread still reading from a slow server ends."""
        if self._http is not None:
            self._http.close()

    def _failed(self, why: str) -> ModelFailure:
        self.failure = why
        return ModelFailure(why)

    def _call(self, messages: list[Any], schema: dict[str, Any] | None, tools: list[dict[str, Any]] | None, end: float) -> Any:
        chat = self._chat = self._chat or self._open()
        if time.monotonic() >= end:  # nobody waits any more: the library took too long to load
            raise ModelFailure("did not answer in time")
        runnable = chat.with_structured_output(schema, include_raw=True) if schema else chat.bind_tools(tools) if tools else chat
        for attempt in range(RETRIES + 1):
            try:
                reply = runnable.invoke(messages)
                return reply["raw"] if schema else reply
            except Exception as error:
                wait = retry_after(error)
                if wait is None or attempt == RETRIES or time.monotonic() + wait >= end:
                    raise
                time.sleep(wait)
        raise AssertionError("the loop returns or raises")

    def _open(self) -> Any:
        try:
            import httpx
            from langchain.chat_models import init_chat_model
        except ImportError as error:
            raise ModelFailure("needs the extra `llm` (pip install 'flopwise[llm]')") from error
        context = self._context
        given: dict[str, Any] = {"max_retries": 0, "timeout": max(self.remaining(), 0.01)}
        if context.base_url:
            # Without a key of its own a server named here gets none: never the one another provider's variable holds.
            given |= {"base_url": context.base_url, "api_key": "none"}
        if context.api_key:
            given["api_key"] = context.api_key.get_secret_value()
        if self.provider == "openai":
            self._http = given["http_client"] = httpx.Client(timeout=given["timeout"], limits=httpx.Limits(max_keepalive_connections=0))
        chat = init_chat_model(self.name, **given)
        _loaded.add(self.provider)
        return chat


def retry_after(error: BaseException) -> float | None:
    """Seconds a server asks to wait (429, 503), if it says so."""
    response = getattr(error, "response", None)
    if getattr(response, "status_code", None) not in (429, 503):
        return None
    try:
        return max(float(response.headers.get("retry-after", "")), 0.0)  # type: ignore[union-attr]
    except ValueError:
        return None


def reason(error: BaseException) -> str:
    """Why a call failed, in our own words: a server's text is not repeated."""
    if isinstance(error, ModelFailure):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    name = type(error).__name__
    if status == 429:
        return "asked to wait longer than its limit allows"
    if status is not None:
        return "refused the request" if 400 <= status < 500 else "answered with a server error"
    if "Timeout" in name:
        return "did not answer in time"
    if "Connect" in name or "Protocol" in name or "Network" in name:
        return "could not be reached"
    if isinstance(error, ImportError):
        return "needs a provider's package that is not installed"
    return f"gave no usable reply ({name})"


def text_of(message: Any) -> str:
    """A reply's text. Raises ModelFailure for a refusal or an empty reply."""
    if getattr(message, "additional_kwargs", {}).get("refusal"):
        raise ModelFailure("declined to answer")
    content = message.content
    if isinstance(content, list):
        content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
    if not content or not str(content).strip():
        raise ModelFailure("gave an empty reply")
    return str(content)[:REPLY_LIMIT]


def data_of(message: Any) -> dict[str, Any]:
    """The JSON object of a reply, whether it came as a tool call or as text. Raises ModelFailure."""
    calls = getattr(message, "tool_calls", None)
    if calls:
        return dict(calls[0]["args"])
    text = re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", text_of(message))
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise ModelFailure("gave malformed JSON") from None
    if not isinstance(data, dict):
        raise ModelFailure("gave no JSON object")
    return data
