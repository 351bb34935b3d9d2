"""`/v1/runs`, `/v1/fits`, `/v1/jobs`: tables of runs, laws fitted to them, and work that outlives a request."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from knowledge.errors import InputError
from server import sse
from server.auth import Asker
from server.idempotency import IdempotentRoute, ident
from server.jobs import FINAL, Jobs
from server.models import EvalIn, FitIn, FitLine, FitOut, FitPage, ForecastIn, JobLine, JobOut, JobPage, RunsLine, RunsPage, SweepIn
from server.paging import Cursor, Limit, own, page
from server.store.engine import note
from server.store.tables import Fit, Job, Runs

router = APIRouter(tags=["jobs"], route_class=IdempotentRoute)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_POLL_SECONDS = 0.25


class _Job(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FitJob(_Job):
    """A fit to do."""

    kind: Literal["fit"]
    request: FitIn


class ForecastJob(_Job):
    """A forecast to make."""

    kind: Literal["forecast"]
    request: ForecastIn


class SweepJob(_Job):
    """Questions to answer."""

    kind: Literal["sweep"]
    request: SweepIn


class EvalJob(_Job):
    """Checks to run."""

    kind: Literal["eval"]
    request: EvalIn


JobIn = Annotated[FitJob | ForecastJob | SweepJob | EvalJob, Field(discriminator="kind")]


def _desk(request: Request) -> Jobs:
    return request.app.state.jobs


def _accepted(job: JobOut, response: Response) -> JobOut:
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


@router.post(
    "/runs",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def upload_runs(request: Request, caller: Asker, name: Annotated[str, Query(min_length=1, max_length=200)] = "runs.csv") -> RunsLine:
    """Upload a table of runs as the body; `name` tells its format by its end (.csv, .tsv, .jsonl, .parquet)."""
    plain = PurePath(name).name
    if PurePath(plain).suffix.lower() not in SUFFIXES or not plain.isprintable():
        raise InputError("name", f"{name!r} does not tell the format", f"end it in {', '.join(SUFFIXES)}")
    content = await request.body()
    if not content:
        raise InputError("body", "is empty", "send the table as the body of the request")
    row = Runs(
        id=ident("runs"), owner=caller.owner, name=plain, digest=hashlib.sha256(content).hexdigest(), size=len(content), content=content
    )
    await run_in_threadpool(_keep_runs, request, caller, row)
    return RunsLine.model_validate(row, from_attributes=True)


def _keep_runs(request: Request, caller: Asker, row: Runs) -> None:
    with request.app.state.store.write() as session:
        session.merge(row)
        note(session, caller.owner, caller.key_id, "runs.uploaded", row.id)


@router.get("/runs")
def list_runs(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> RunsPage:
    """Your tables, newest first."""
    columns = (Runs.id, Runs.name, Runs.size, Runs.digest, Runs.created)
    with request.app.state.store.read() as session:
        items, more = page(
            session,
            Runs,
            [Runs.owner == caller.owner],
            limit,
            cursor,
            lambda row: RunsLine.model_validate(row, from_attributes=True),
            columns=columns,
        )
    return RunsPage(items=items, next=more)


@router.get(
    "/runs/{runs_id}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The table as uploaded"}},
)
def download_runs(runs_id: str, request: Request, caller: Asker) -> Response:
    """A table, byte for byte."""
    with request.app.state.store.read() as session:
        row: Runs = own(session, Runs, runs_id, caller.owner)
    return Response(
        row.content, media_type="application/octet-stream", headers={"Content-Disposition": "attachment", "ETag": f'"{row.digest}"'}
    )


@router.delete("/runs/{runs_id}", status_code=204)
def delete_runs(runs_id: str, request: Request, caller: Asker) -> None:
    """Delete a table; laws fitted to it stay."""
    with request.app.state.store.write() as session:
        session.delete(own(session, Runs, runs_id, caller.owner))
        note(session, caller.owner, caller.key_id, "runs.deleted", runs_id)


@router.post("/fits", status_code=202)
def fit(given: FitIn, request: Request, response: Response, caller: Asker) -> JobOut:
    """Fit a law to a table, as a job."""
    with request.app.state.store.read() as session:
        own(session, Runs, given.runs, caller.owner)
    return _accepted(_desk(request).submit(caller.owner, caller.key_id, "fit", given.model_dump()), response)


@router.get("/fits")
def list_fits(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> FitPage:
    """Your fitted laws, newest first."""
    with request.app.state.store.read() as session:
        items, more = page(
            session,
            Fit,
            [Fit.owner == caller.owner],
            limit,
            cursor,
            lambda row: FitLine.model_validate(row, from_attributes=True),
            columns=(Fit.id, Fit.job_id, Fit.form, Fit.created),
        )
    return FitPage(items=items, next=more)


@router.get("/fits/{fit_id}", response_model_exclude_none=True)
def show_fit(fit_id: str, request: Request, caller: Asker) -> FitOut:
    """A fit with its report and law card."""
    with request.app.state.store.read() as session:
        return FitOut.model_validate(own(session, Fit, fit_id, caller.owner), from_attributes=True)


@router.delete("/fits/{fit_id}", status_code=204)
def delete_fit(fit_id: str, request: Request, caller: Asker) -> None:
    """Delete a fitted law; plans made with it stay."""
    with request.app.state.store.write() as session:
        session.delete(own(session, Fit, fit_id, caller.owner))
        note(session, caller.owner, caller.key_id, "fit.deleted", fit_id)


@router.post("/jobs", status_code=202)
def submit_job(given: JobIn, request: Request, response: Response, caller: Asker) -> JobOut:
    """Hand in a fit, forecast, sweep of questions, or check of the law base."""
    return _accepted(_desk(request).submit(caller.owner, caller.key_id, given.kind, given.request.model_dump()), response)


@router.get("/jobs")
def list_jobs(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> JobPage:
    """Your jobs, newest first."""
    with request.app.state.store.read() as session:
        items, more = page(
            session, Job, [Job.owner == caller.owner], limit, cursor, lambda row: JobLine.model_validate(row, from_attributes=True)
        )
    return JobPage(items=items, next=more)


@router.get("/jobs/{job_id}")
def show_job(job_id: str, request: Request, caller: Asker) -> JobOut:
    """A job: progress, and in the end its result or error."""
    return _desk(request).get(caller.owner, job_id)


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: str, request: Request, caller: Asker) -> JobOut:
    """Stop a job."""
    return _desk(request).cancel(caller.owner, caller.key_id, job_id)


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(job_id: str, request: Request, response: Response, caller: Asker) -> JobOut:
    """Hand a failed or cancelled job in again, as a new job."""
    return _accepted(_desk(request).retry(caller.owner, caller.key_id, job_id), response)


@router.get("/jobs/{job_id}/events", response_class=Response, responses=sse.DOCUMENTED)
async def job_events(job_id: str, request: Request, caller: Asker) -> Response:
    """Progress as server-sent events (`progress`), the finished job last (`end`)."""
    desk = _desk(request)
    first = await run_in_threadpool(desk.get, caller.owner, job_id)

    async def events() -> AsyncIterator[bytes]:
        job, shown = first, None
        while job.status not in FINAL:
            now = JobLine.model_validate(job, from_attributes=True).model_dump()
            yield sse.event("progress", now) if now != shown else b": still at work\n\n"
            shown = now
            await asyncio.sleep(_POLL_SECONDS)
            if request.app.state.stopping:
                return
            job = await run_in_threadpool(desk.get, caller.owner, job_id)
        yield sse.event("end", job.model_dump())

    return sse.response(events())
