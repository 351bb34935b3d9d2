"""The Python client of the service, as a notebook or a program uses it.

    from server.client import Flopwise

    with Flopwise("http://127.0.0.1:8484") as flopwise:
        plan = flopwise.plan("best model for 1e22 FLOPs on 8 H100s")
        print(plan.answer.headline)

`AsyncFlopwise` is the same with `await`. Answers are the very models of the server (server.models).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

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


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _problem(response: httpx.Response) -> Problem:
    if "problem+json" in response.headers.get("content-type", ""):
        return Problem.model_validate_json(response.content)
    return Problem(title=response.reason_phrase, status=response.status_code, detail=response.text[:500])


def _pause(response: httpx.Response | None, attempt: int) -> float:
    told = response.headers.get("retry-after", "") if response is not None else ""
    return float(told) if told.isdecimal() else min(0.25 * 2**attempt, 8.0)


def _events(lines: list[str]) -> Event | None:
    fields = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(":"))
    if "data" not in fields:
        return None
    event = Event(fields.get("event", "message"), json.loads(fields["data"]))
    if event.name == "problem":
        raise ApiError(Problem.model_validate(event.data))
    return event


def _asked(question: str, brief: Mapping[str, Any] | None, law: str | None, attached: Mapping[str, Any]) -> dict[str, Any]:
    given = {"question": question or None, "brief": dict(brief) if brief is not None else None, "law": law, **attached}
    return {name: value for name, value in given.items() if value is not None}


def _upload(table: str | Path | bytes, name: str) -> tuple[bytes, str]:
    """Content and name of a table: a path is read, text and bytes are the table itself."""
    if isinstance(table, Path):
        return table.read_bytes(), name or table.name
    return table.encode() if isinstance(table, str) else table, name or "runs.csv"


class _Calls:
    """Every request there is; how it is sent is the clients' business."""

    @staticmethod
    def _plan(question: str, brief: Mapping[str, Any] | None, law: str | None, attached: Mapping[str, Any]) -> _Call[PlanOut]:
        return _Call("POST", "/v1/plans", PlanOut, json=_asked(question, brief, law, attached))

    @staticmethod
    def _runs(table: str | Path | bytes, name: str) -> _Call[RunsLine]:
        content, name = _upload(table, name)
        return _Call("POST", "/v1/runs", RunsLine, content=content, params={"name": name})

    @staticmethod
    def _job(kind: str, request: Mapping[str, Any]) -> _Call[JobOut]:
        return _Call("POST", "/v1/jobs", JobOut, json={"kind": kind, "request": dict(request)})


def _page(limit: int, cursor: str | None) -> dict[str, Any]:
    return {"limit": limit, **({"cursor": cursor} if cursor else {})}


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
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, call: _Call[T]) -> T:
        for attempt in range(self._retries + 1):
            response: httpx.Response | None = None
            try:
                response = self._client.send(call.request(self._client))
            except httpx.TransportError:
                if attempt == self._retries:
                    raise
            if response is not None and (response.status_code not in _AGAIN or attempt == self._retries):
                return call.read(response)
            time.sleep(_pause(response, attempt))
        raise AssertionError("the last try returns or raises")

    def _stream(self, call: _Call[Any]) -> Iterator[Event]:
        response = self._client.send(call.request(self._client, stream=True), stream=True)
        try:
            if response.is_error:
                response.read()
                raise ApiError(_problem(response))
            lines: list[str] = []
            for line in response.iter_lines():
                if line:
                    lines.append(line)
                    continue
                event, lines = _events(lines), []
                if event is not None:
                    yield event
        finally:
            response.close()

    def plan(self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any) -> PlanOut:
        """The plan of a question or a brief. `attached`: `runs` (id of an uploaded table), `group`, `profile`. Raises ApiError."""
        return self._send(self._plan(question, brief, law, attached))

    def stream_plan(
        self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any
    ) -> Iterator[Event]:
        """The steps of a plan as they happen, the plan last (event `answer`)."""
        return self._stream(self._plan(question, brief, law, attached))

    def get_plan(self, plan_id: str) -> PlanOut:
        """A plan by its id."""
        return self._send(_Call("GET", f"/v1/plans/{plan_id}", PlanOut))

    def plans(self, *, limit: int = 50, cursor: str | None = None) -> PlanPage:
        """Your plans, newest first."""
        return self._send(_Call("GET", "/v1/plans", PlanPage, params=_page(limit, cursor)))

    def share(self, plan_id: str) -> ShareOut:
        """A read-only link to a plan."""
        return self._send(_Call("POST", "/v1/shares", ShareOut, json={"plan_id": plan_id}))

    def revoke_share(self, share_id: str) -> None:
        """Take a link back."""
        self._send(_Call[None]("DELETE", f"/v1/shares/{share_id}"))

    def create_thread(self, title: str = "") -> ThreadOut:
        """Start a conversation."""
        return self._send(_Call("POST", "/v1/threads", ThreadOut, json={"title": title}))

    def threads(self, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Your conversations, newest first."""
        return self._send(_Call("GET", "/v1/threads", ThreadPage, params=_page(limit, cursor)))

    def get_thread(self, thread_id: str) -> ThreadFull:
        """A conversation with its messages."""
        return self._send(_Call("GET", f"/v1/threads/{thread_id}", ThreadFull))

    def messages(self, thread_id: str, *, limit: int = 50, cursor: str | None = None) -> MessagePage:
        """The messages of a conversation, oldest first."""
        return self._send(_Call("GET", f"/v1/threads/{thread_id}/messages", MessagePage, params=_page(limit, cursor)))

    def say(self, thread_id: str, text: str, *, law: str | None = None) -> Reply:
        """Say something in a conversation; the answer."""
        return self._send(_Call("POST", f"/v1/threads/{thread_id}/messages", Reply, json={"text": text, "law": law}))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a conversation."""
        self._send(_Call[None]("DELETE", f"/v1/threads/{thread_id}"))

    def upload_runs(self, table: str | Path | bytes, *, name: str = "") -> RunsLine:
        """Upload a table of runs: a Path is read; text and bytes are the table. `name` tells the format by its end."""
        return self._send(self._runs(table, name))

    def fit(self, runs: str, **request: Any) -> JobOut:
        """Fit a law to an uploaded table, as a job."""
        return self._send(_Call("POST", "/v1/fits", JobOut, json={"runs": runs, **request}))

    def fits(self, *, limit: int = 50, cursor: str | None = None) -> FitPage:
        """Your fitted laws, newest first."""
        return self._send(_Call("GET", "/v1/fits", FitPage, params=_page(limit, cursor)))

    def get_fit(self, fit_id: str) -> FitOut:
        """A fit with its report and law card."""
        return self._send(_Call("GET", f"/v1/fits/{fit_id}", FitOut))

    def submit(self, kind: str, request: Mapping[str, Any]) -> JobOut:
        """Hand in a job: fit, forecast, sweep or eval."""
        return self._send(self._job(kind, request))

    def job(self, job_id: str) -> JobOut:
        """A job as it stands."""
        return self._send(_Call("GET", f"/v1/jobs/{job_id}", JobOut))

    def jobs(self, *, limit: int = 50, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return self._send(_Call("GET", "/v1/jobs", JobPage, params=_page(limit, cursor)))

    def cancel(self, job_id: str) -> JobOut:
        """Stop a job."""
        return self._send(_Call("POST", f"/v1/jobs/{job_id}/cancel", JobOut))

    def retry(self, job_id: str) -> JobOut:
        """Hand a failed or cancelled job in again."""
        return self._send(_Call("POST", f"/v1/jobs/{job_id}/retry", JobOut))

    def watch(self, job_id: str) -> Iterator[Event]:
        """Progress of a job, the finished job last (event `end`)."""
        return self._stream(_Call("GET", f"/v1/jobs/{job_id}/events"))

    def wait(self, job_id: str, *, timeout: float = 600.0) -> JobOut:
        """The job once it has ended. Raises TimeoutError."""
        end, pause = time.monotonic() + timeout, 0.1
        while True:
            job = self.job(job_id)
            if job.status in FINAL:
                return job
            if time.monotonic() + pause > end:
                raise TimeoutError(f"{job_id} is {job.status} after {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def laws(self, *, area: str | None = None, kind: str | None = None) -> list[LawLine]:
        """The laws of the base."""
        given = {"area": area, "kind": kind}
        return self._send(_Call("GET", "/v1/laws", list[LawLine], params={name: value for name, value in given.items() if value}))

    def law(self, law_id: str) -> LawCard:
        """A law card."""
        return self._send(_Call("GET", f"/v1/laws/{law_id}", LawCard))

    def evaluate(
        self, law_id: str, relation: str, inputs: Mapping[str, float | Sequence[float]], *, variant: str | None = None
    ) -> EvaluateOut:
        """A relation of a law at one point."""
        return self._send(_Call("POST", f"/v1/laws/{law_id}/{relation}", EvaluateOut, json={"inputs": dict(inputs), "variant": variant}))

    def accelerators(self) -> list[Accelerator]:
        """Every accelerator."""
        return self._send(_Call("GET", "/v1/accelerators", list[Accelerator]))

    def shapes(self) -> list[ModelShape]:
        """Every known model shape."""
        return self._send(_Call("GET", "/v1/shapes", list[ModelShape]))

    def tools(self) -> list[ToolLine]:
        """Every tool with its schema."""
        return self._send(_Call("GET", "/v1/tools", list[ToolLine]))

    def tool(self, name: str, **fields: Any) -> Result:
        """Call a tool."""
        return self._send(_Call("POST", f"/v1/tools/{name}", Result, json=fields))

    def estimate(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> EstimateOut:
        """Predict the rows of a table: training, serving or runs."""
        return self._send(_Call("POST", "/v1/estimates", EstimateOut, json={"kind": kind, "rows": [dict(row) for row in rows]}))


class AsyncFlopwise(_Calls):
    """The client for `async` programs; see Flopwise for what each method does."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8484",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, call: _Call[T]) -> T:
        for attempt in range(self._retries + 1):
            response: httpx.Response | None = None
            try:
                response = await self._client.send(call.request(self._client))
            except httpx.TransportError:
                if attempt == self._retries:
                    raise
            if response is not None and (response.status_code not in _AGAIN or attempt == self._retries):
                return call.read(response)
            await asyncio.sleep(_pause(response, attempt))
        raise AssertionError("the last try returns or raises")

    async def _stream(self, call: _Call[Any]) -> AsyncIterator[Event]:
        response = await self._client.send(call.request(self._client, stream=True), stream=True)
        try:
            if response.is_error:
                await response.aread()
                raise ApiError(_problem(response))
            lines: list[str] = []
            async for line in response.aiter_lines():
                if line:
                    lines.append(line)
                    continue
                event, lines = _events(lines), []
                if event is not None:
                    yield event
        finally:
            await response.aclose()

    async def plan(self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any) -> PlanOut:
        """The plan of a question or a brief. `attached`: `runs` (id of an uploaded table), `group`, `profile`. Raises ApiError."""
        return await self._send(self._plan(question, brief, law, attached))

    def stream_plan(
        self, question: str = "", *, brief: Mapping[str, Any] | None = None, law: str | None = None, **attached: Any
    ) -> AsyncIterator[Event]:
        """The steps of a plan as they happen, the plan last (event `answer`)."""
        return self._stream(self._plan(question, brief, law, attached))

    async def get_plan(self, plan_id: str) -> PlanOut:
        """A plan by its id."""
        return await self._send(_Call("GET", f"/v1/plans/{plan_id}", PlanOut))

    async def plans(self, *, limit: int = 50, cursor: str | None = None) -> PlanPage:
        """Your plans, newest first."""
        return await self._send(_Call("GET", "/v1/plans", PlanPage, params=_page(limit, cursor)))

    async def share(self, plan_id: str) -> ShareOut:
        """A read-only link to a plan."""
        return await self._send(_Call("POST", "/v1/shares", ShareOut, json={"plan_id": plan_id}))

    async def revoke_share(self, share_id: str) -> None:
        """Take a link back."""
        await self._send(_Call[None]("DELETE", f"/v1/shares/{share_id}"))

    async def create_thread(self, title: str = "") -> ThreadOut:
        """Start a conversation."""
        return await self._send(_Call("POST", "/v1/threads", ThreadOut, json={"title": title}))

    async def threads(self, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Your conversations, newest first."""
        return await self._send(_Call("GET", "/v1/threads", ThreadPage, params=_page(limit, cursor)))

    async def get_thread(self, thread_id: str) -> ThreadFull:
        """A conversation with its messages."""
        return await self._send(_Call("GET", f"/v1/threads/{thread_id}", ThreadFull))

    async def messages(self, thread_id: str, *, limit: int = 50, cursor: str | None = None) -> MessagePage:
        """The messages of a conversation, oldest first."""
        return await self._send(_Call("GET", f"/v1/threads/{thread_id}/messages", MessagePage, params=_page(limit, cursor)))

    async def say(self, thread_id: str, text: str, *, law: str | None = None) -> Reply:
        """Say something in a conversation; the answer."""
        return await self._send(_Call("POST", f"/v1/threads/{thread_id}/messages", Reply, json={"text": text, "law": law}))

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a conversation."""
        await self._send(_Call[None]("DELETE", f"/v1/threads/{thread_id}"))

    async def upload_runs(self, table: str | Path | bytes, *, name: str = "") -> RunsLine:
        """Upload a table of runs: a Path is read; text and bytes are the table. `name` tells the format by its end."""
        return await self._send(self._runs(table, name))

    async def fit(self, runs: str, **request: Any) -> JobOut:
        """Fit a law to an uploaded table, as a job."""
        return await self._send(_Call("POST", "/v1/fits", JobOut, json={"runs": runs, **request}))

    async def fits(self, *, limit: int = 50, cursor: str | None = None) -> FitPage:
        """Your fitted laws, newest first."""
        return await self._send(_Call("GET", "/v1/fits", FitPage, params=_page(limit, cursor)))

    async def get_fit(self, fit_id: str) -> FitOut:
        """A fit with its report and law card."""
        return await self._send(_Call("GET", f"/v1/fits/{fit_id}", FitOut))

    async def submit(self, kind: str, request: Mapping[str, Any]) -> JobOut:
        """Hand in a job: fit, forecast, sweep or eval."""
        return await self._send(self._job(kind, request))

    async def job(self, job_id: str) -> JobOut:
        """A job as it stands."""
        return await self._send(_Call("GET", f"/v1/jobs/{job_id}", JobOut))

    async def jobs(self, *, limit: int = 50, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return await self._send(_Call("GET", "/v1/jobs", JobPage, params=_page(limit, cursor)))

    async def cancel(self, job_id: str) -> JobOut:
        """Stop a job."""
        return await self._send(_Call("POST", f"/v1/jobs/{job_id}/cancel", JobOut))

    async def retry(self, job_id: str) -> JobOut:
        """Hand a failed or cancelled job in again."""
        return await self._send(_Call("POST", f"/v1/jobs/{job_id}/retry", JobOut))

    def watch(self, job_id: str) -> AsyncIterator[Event]:
        """Progress of a job, the finished job last (event `end`)."""
        return self._stream(_Call("GET", f"/v1/jobs/{job_id}/events"))

    async def wait(self, job_id: str, *, timeout: float = 600.0) -> JobOut:
        """The job once it has ended. Raises TimeoutError."""
        end, pause = time.monotonic() + timeout, 0.1
        while True:
            job = await self.job(job_id)
            if job.status in FINAL:
                return job
            if time.monotonic() + pause > end:
                raise TimeoutError(f"{job_id} is {job.status} after {timeout:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    async def laws(self, *, area: str | None = None, kind: str | None = None) -> list[LawLine]:
        """The laws of the base."""
        given = {"area": area, "kind": kind}
        return await self._send(_Call("GET", "/v1/laws", list[LawLine], params={name: value for name, value in given.items() if value}))

    async def law(self, law_id: str) -> LawCard:
        """A law card."""
        return await self._send(_Call("GET", f"/v1/laws/{law_id}", LawCard))

    async def evaluate(
        self, law_id: str, relation: str, inputs: Mapping[str, float | Sequence[float]], *, variant: str | None = None
    ) -> EvaluateOut:
        """A relation of a law at one point."""
        return await self._send(
            _Call("POST", f"/v1/laws/{law_id}/{relation}", EvaluateOut, json={"inputs": dict(inputs), "variant": variant})
        )

    async def accelerators(self) -> list[Accelerator]:
        """Every accelerator."""
        return await self._send(_Call("GET", "/v1/accelerators", list[Accelerator]))

    async def shapes(self) -> list[ModelShape]:
        """Every known model shape."""
        return await self._send(_Call("GET", "/v1/shapes", list[ModelShape]))

    async def tools(self) -> list[ToolLine]:
        """Every tool with its schema."""
        return await self._send(_Call("GET", "/v1/tools", list[ToolLine]))

    async def tool(self, name: str, **fields: Any) -> Result:
        """Call a tool."""
        return await self._send(_Call("POST", f"/v1/tools/{name}", Result, json=fields))

    async def estimate(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> EstimateOut:
        """Predict the rows of a table: training, serving or runs."""
        return await self._send(_Call("POST", "/v1/estimates", EstimateOut, json={"kind": kind, "rows": [dict(row) for row in rows]}))
