"""The Python client of the service, as a notebook or a program uses it.

    from server.client import Flopwise

    with Flopwise("http://127.0.0.1:8484") as flopwise:
        plan = flopwise.plan("best model for 1e22 FLOPs on 8 H100s")
        print(plan.answer.headline)

`AsyncFlopwise` is the same with `await`. Answers are the very models of the server (server.models).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx
from pydantic import TypeAdapter

from knowledge.hardware import Accelerator
from knowledge.schema import LawCard
from knowledge.shapes import ModelShape
from server.models import (
    EstimateOut,
    EvaluateOut,
    FitOut,
    FitPage,
    JobOut,
    JobPage,
    LawLine,
    MessagePage,
    PlanOut,
    PlanPage,
    Problem,
    Reply,
    RunsLine,
    ShareOut,
    ThreadFull,
    ThreadOut,
    ThreadPage,
    ToolLine,
)
from tools.result import Result

P = ParamSpec("P")
T = TypeVar("T")
_AGAIN = (429, 502, 503, 504)
FINAL = ("done", "failed", "cancelled")


class ApiError(Exception):
    """The server said no. `problem` is its problem document; `problem.needs` the form of what is missing."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")


@dataclass(frozen=True)
class Event:
    """An event of a stream: `step`, `progress`, or the last one: `answer`, `end`."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True)
class _Call(Generic[T]):
    """One request and the type of its answer."""

    method: str
    path: str
    answer: Any = None
    json: Any = None
    content: bytes | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    ident: str = field(default_factory=lambda: secrets.token_hex(16))

    def request(self, client: httpx.Client | httpx.AsyncClient, *, stream: bool = False) -> httpx.Request:
        # One key for all tries: a request that was done although its answer got lost is not done twice.
        headers = {"Idempotency-Key": self.ident} if self.method == "POST" and not stream else {}
        headers["Accept"] = "text/event-stream" if stream else "application/json"
        body: dict[str, Any] = (
            {"json": self.json} if self.json is not None else {"content": self.content} if self.content is not None else {}
        )
        if self.content is not None:
            headers["Content-Type"] = "application/octet-stream"
        return client.build_request(self.method, self.path, params=dict(self.params), headers=headers, **body)

    def read(self, response: httpx.Response) -> T:
        """The answer; raises ApiError."""
        if response.is_error:
            raise ApiError(_problem(response))
        return _adapter(self.answer).validate_json(response.content) if self.answer is not None else None  # pyright: ignore[reportReturnType]

    def again(self, got: httpx.Response | httpx.TransportError, tries_left: int, attempt: int) -> float | None:
        """Seconds until the request is to be sent again; None when what came is the answer. Raises the transport's error on the last try."""
        if isinstance(got, httpx.TransportError):
            if not tries_left:
                raise got
            return _pause("", attempt)
        told = got.headers.get("retry-after", "")
        busy = got.status_code in _AGAIN or (got.status_code == 409 and told)  # 409 with a time: an earlier try is still at work
        return _pause(told, attempt) if busy and tries_left else None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _problem(response: httpx.Response) -> Problem:
    if "problem+json" in response.headers.get("content-type", ""):
        return Problem.model_validate_json(response.content)
    return Problem(title=response.reason_phrase, status=response.status_code, detail=response.text[:500])


def _pause(told: str, attempt: int) -> float:
    return float(told) if told.isdecimal() else min(0.25 * 2**attempt, 8.0)


class _Reader:
    """Lines of a stream in, events out."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> Event | None:
        """The event that a line ends, if it does. Raises ApiError for the event `problem`."""
        if line:
            name, _, value = line.partition(": ")
            self._fields |= {name: value} if name else {}
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        event = Event(fields.get("event", "message"), json.loads(fields["data"]))
        if event.name == "problem":
            raise ApiError(Problem.model_validate(event.data))
        return event


class _Method(Generic[P, T]):
    """A method of both clients from one description of its call."""

    sent_by = "send"

    def __init__(self, describe: Callable[Concatenate[Any, P], _Call[T]]) -> None:
        self._describe, self.__doc__ = describe, describe.__doc__
        seen = inspect.signature(describe)
        returned = str(seen.return_annotation).removeprefix("_Call[").removesuffix("]")
        self._signature = seen.replace(parameters=list(seen.parameters.values())[1:], return_annotation=returned)

    def bound(self, client: Any) -> Any:
        """The method of one client; the description itself on the class."""
        if client is None:
            return self._describe

        @functools.wraps(self._describe)
        def method(*args: P.args, **given: P.kwargs) -> Any:
            return getattr(client, self.sent_by)(self._describe(client, *args, **given))

        shown: Any = method
        shown.__signature__ = self._signature
        return shown


class _Answered(_Method[P, T]):
    """A method that gives the answer, or a coroutine of it."""

    @overload
    def __get__(self, client: Flopwise, owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncFlopwise, owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: Any) -> Self: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        return self.bound(client)


class _Streamed(_Method[P, Event]):
    """A method that gives the events of a call, for `for` or for `async for`."""

    sent_by = "stream"

    @overload
    def __get__(self, client: Flopwise, owner: Any) -> Callable[P, Iterator[Event]]: ...
    @overload
    def __get__(self, client: AsyncFlopwise, owner: Any) -> Callable[P, AsyncIterator[Event]]: ...
    @overload
    def __get__(self, client: None, owner: Any) -> Self: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        return self.bound(client)


def _asked(question: str, brief: Mapping[str, Any] | None, law: str | None, attached: Mapping[str, Any]) -> dict[str, Any]:
    given = {"question": question or None, "brief": dict(brief) if brief is not None else None, "law": law, **attached}
    return {name: value for name, value in given.items() if value is not None}


def _upload(table: str | Path | bytes, name: str) -> tuple[bytes, str]:
    """Content and name of a table: a path is read, text and bytes are the table itself."""
    if isinstance(table, Path):
        return table.read_bytes(), name or table.name
    return table.encode() if isinstance(table, str) else table, name or "runs.csv"


def _page(limit: int, cursor: str | None) -> dict[str, Any]:
    return {"limit": limit, **({"cursor": cursor} if cursor else {})}


class _Calls:
    """Every request there is, each described once; how it is sent is the clients' business."""

    @_Answered
    def plan(
        self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any
    ) -> _Call[PlanOut]:
        """The plan of a question or a brief. `attached`: `runs` (id of an uploaded table), `group`, `profile`. Raises ApiError."""
        return _Call("POST", "/v1/plans", PlanOut, json=_asked(question, brief, law, attached))

    @_Streamed
    def stream_plan(
        self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any
    ) -> _Call[Event]:
        """The steps of a plan as they happen, the plan last (event `answer`)."""
        return _Call("POST", "/v1/plans", PlanOut, json=_asked(question, brief, law, attached))

    @_Answered
    def get_plan(self, plan_id: str) -> _Call[PlanOut]:
        """A plan by its id."""
        return _Call("GET", f"/v1/plans/{plan_id}", PlanOut)

    @_Answered
    def plans(self, *, limit: int = 50, cursor: str | None = None) -> _Call[PlanPage]:
        """Your plans, newest first."""
        return _Call("GET", "/v1/plans", PlanPage, params=_page(limit, cursor))

    @_Answered
    def share(self, plan_id: str) -> _Call[ShareOut]:
        """A read-only link to a plan."""
        return _Call("POST", "/v1/shares", ShareOut, json={"plan_id": plan_id})

    @_Answered
    def revoke_share(self, share_id: str) -> _Call[None]:
        """Take a link back."""
        return _Call[None]("DELETE", f"/v1/shares/{share_id}")

    @_Answered
    def create_thread(self, title: str = "") -> _Call[ThreadOut]:
        """Start a conversation."""
        return _Call("POST", "/v1/threads", ThreadOut, json={"title": title})

    @_Answered
    def threads(self, *, limit: int = 50, cursor: str | None = None) -> _Call[ThreadPage]:
        """Your conversations, newest first."""
        return _Call("GET", "/v1/threads", ThreadPage, params=_page(limit, cursor))

    @_Answered
    def get_thread(self, thread_id: str) -> _Call[ThreadFull]:
        """A conversation with its messages."""
        return _Call("GET", f"/v1/threads/{thread_id}", ThreadFull)

    @_Answered
    def messages(self, thread_id: str, *, limit: int = 50, cursor: str | None = None) -> _Call[MessagePage]:
        """The messages of a conversation, oldest first."""
        return _Call("GET", f"/v1/threads/{thread_id}/messages", MessagePage, params=_page(limit, cursor))

    @_Answered
    def say(self, thread_id: str, text: str, *, law: str | None = None) -> _Call[Reply]:
        """Say something in a conversation; the answer."""
        return _Call("POST", f"/v1/threads/{thread_id}/messages", Reply, json={"text": text, "law": law})

    @_Answered
    def delete_thread(self, thread_id: str) -> _Call[None]:
        """Delete a conversation."""
        return _Call[None]("DELETE", f"/v1/threads/{thread_id}")

    @_Answered
    def upload_runs(self, table: str | Path | bytes, *, name: str = "") -> _Call[RunsLine]:
        """Upload a table of runs: a Path is read; text and bytes are the table. `name` tells the format by its end."""
        content, name = _upload(table, name)
        return _Call("POST", "/v1/runs", RunsLine, content=content, params={"name": name})

    @_Answered
    def fit(self, runs: str, **request: Any) -> _Call[JobOut]:
        """Fit a law to an uploaded table, as a job."""
        return _Call("POST", "/v1/fits", JobOut, json={"runs": runs, **request})

    @_Answered
    def fits(self, *, limit: int = 50, cursor: str | None = None) -> _Call[FitPage]:
        """Your fitted laws, newest first."""
        return _Call("GET", "/v1/fits", FitPage, params=_page(limit, cursor))

    @_Answered
    def get_fit(self, fit_id: str) -> _Call[FitOut]:
        """A fit with its report and law card."""
        return _Call("GET", f"/v1/fits/{fit_id}", FitOut)

    @_Answered
    def submit(self, kind: str, request: Mapping[str, Any]) -> _Call[JobOut]:
        """Hand in a job: fit, forecast, sweep or eval."""
        return _Call("POST", "/v1/jobs", JobOut, json={"kind": kind, "request": dict(request)})

    @_Answered
    def job(self, job_id: str) -> _Call[JobOut]:
        """A job as it stands."""
        return _Call("GET", f"/v1/jobs/{job_id}", JobOut)

    @_Answered
    def jobs(self, *, limit: int = 50, cursor: str | None = None) -> _Call[JobPage]:
        """Your jobs, newest first."""
        return _Call("GET", "/v1/jobs", JobPage, params=_page(limit, cursor))

    @_Answered
    def cancel(self, job_id: str) -> _Call[JobOut]:
        """Stop a job."""
        return _Call("POST", f"/v1/jobs/{job_id}/cancel", JobOut)

    @_Answered
    def retry(self, job_id: str) -> _Call[JobOut]:
        """Hand a failed or cancelled job in again."""
        return _Call("POST", f"/v1/jobs/{job_id}/retry", JobOut)

    @_Streamed
    def watch(self, job_id: str) -> _Call[Event]:
        """Progress of a job, the finished job last (event `end`)."""
        return _Call("GET", f"/v1/jobs/{job_id}/events")

    @_Answered
    def laws(self, *, area: str | None = None, kind: str | None = None) -> _Call[list[LawLine]]:
        """The laws of the base."""
        given = {"area": area, "kind": kind}
        return _Call("GET", "/v1/laws", list[LawLine], params={name: value for name, value in given.items() if value})

    @_Answered
    def law(self, law_id: str) -> _Call[LawCard]:
        """A law card."""
        return _Call("GET", f"/v1/laws/{law_id}", LawCard)

    @_Answered
    def evaluate(
        self, law_id: str, relation: str, inputs: Mapping[str, float | Sequence[float]], *, variant: str | None = None
    ) -> _Call[EvaluateOut]:
        """A relation of a law at one point."""
        return _Call("POST", f"/v1/laws/{law_id}/{relation}", EvaluateOut, json={"inputs": dict(inputs), "variant": variant})

    @_Answered
    def accelerators(self) -> _Call[list[Accelerator]]:
        """Every accelerator."""
        return _Call("GET", "/v1/accelerators", list[Accelerator])

    @_Answered
    def shapes(self) -> _Call[list[ModelShape]]:
        """Every known model shape."""
        return _Call("GET", "/v1/shapes", list[ModelShape])

    @_Answered
    def tools(self) -> _Call[list[ToolLine]]:
        """Every tool with its schema."""
        return _Call("GET", "/v1/tools", list[ToolLine])

    @_Answered
    def tool(self, name: str, **fields: Any) -> _Call[Result]:
        """Call a tool."""
        return _Call("POST", f"/v1/tools/{name}", Result, json=fields)

    @_Answered
    def estimate(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> _Call[EstimateOut]:
        """Predict the rows of a table: training, serving or runs."""
        return _Call("POST", "/v1/estimates", EstimateOut, json={"kind": kind, "rows": [dict(row) for row in rows]})


def _options(base_url: str, key: str | None, timeout: float) -> dict[str, Any]:
    return {"base_url": base_url, "headers": {"Authorization": f"Bearer {key}"} if key else {}, "timeout": timeout}


def _waits(job_id: str, timeout: float) -> Iterator[float]:
    """Growing pauses between looks at a job. Raises TimeoutError."""
    end, pause = time.monotonic() + timeout, 0.1
    while time.monotonic() + pause <= end:
        yield pause
        pause = min(pause * 1.5, 2.0)
    raise TimeoutError(f"{job_id} has not ended after {timeout:g} s")


class Flopwise(_Calls):
    """A client that waits. `retries`: how often a request is sent again when the server is away, busy or limits the rate."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8484",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(**_options(base_url, key, timeout), transport=transport)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def wait(self, job_id: str, *, timeout: float = 600.0) -> JobOut:
        """The job once it has ended. Raises TimeoutError."""
        pauses = _waits(job_id, timeout)
        while (job := self.job(job_id)).status not in FINAL:
            time.sleep(next(pauses))
        return job

    def send(self, call: _Call[T]) -> T:
        """Send a call, again where that may help, and read its answer. Raises ApiError, httpx.TransportError."""
        for attempt in itertools.count():
            try:
                got = self._client.send(call.request(self._client))
            except httpx.TransportError as error:
                got = error
            pause = call.again(got, self._retries - attempt, attempt)
            if pause is None and isinstance(got, httpx.Response):
                return call.read(got)
            time.sleep(pause or 0.0)
        raise AssertionError("the last try returns or raises")

    def stream(self, call: _Call[Any]) -> Iterator[Event]:
        """The events of a call. Raises ApiError."""
        response = self._client.send(call.request(self._client, stream=True), stream=True)
        try:
            if response.is_error:
                response.read()
                raise ApiError(_problem(response))
            reader = _Reader()
            for line in response.iter_lines():
                event = reader.feed(line)
                if event is not None:
                    yield event
        finally:
            response.close()


class AsyncFlopwise(_Calls):
    """The client for `async` programs: the same methods, awaited; streams are read by `async for`."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8484",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(**_options(base_url, key, timeout), transport=transport)
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def wait(self, job_id: str, *, timeout: float = 600.0) -> JobOut:
        """The job once it has ended. Raises TimeoutError."""
        pauses = _waits(job_id, timeout)
        while (job := await self.job(job_id)).status not in FINAL:
            await asyncio.sleep(next(pauses))
        return job

    async def send(self, call: _Call[T]) -> T:
        """Send a call, again where that may help, and read its answer. Raises ApiError, httpx.TransportError."""
        for attempt in itertools.count():
            try:
                got = await self._client.send(call.request(self._client))
            except httpx.TransportError as error:
                got = error
            pause = call.again(got, self._retries - attempt, attempt)
            if pause is None and isinstance(got, httpx.Response):
                return call.read(got)
            await asyncio.sleep(pause or 0.0)
        raise AssertionError("the last try returns or raises")

    async def stream(self, call: _Call[Any]) -> AsyncIterator[Event]:
        """The events of a call. Raises ApiError."""
        response = await self._client.send(call.request(self._client, stream=True), stream=True)
        try:
            if response.is_error:
                await response.aread()
                raise ApiError(_problem(response))
            reader = _Reader()
            async for line in response.aiter_lines():
                event = reader.feed(line)
                if event is not None:
                    yield event
        finally:
            await response.aclose()
