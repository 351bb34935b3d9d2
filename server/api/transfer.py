"""`/v1/export` and `/v1/import`: take everything you own along."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from knowledge.errors import InputError
from server.auth import Asker
from server.idempotency import IdempotentRoute
from server.store.transfer import export_rows, import_rows

router = APIRouter(tags=["transfer"], route_class=IdempotentRoute)
MEDIA_TYPE = "application/jsonl"


class Imported(BaseModel):
    """How many rows of each table were new."""

    rows: dict[str, int]


@router.get("/export", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}})
def export(request: Request, caller: Asker) -> Response:
    """Everything you own, one JSON object a line."""
    return StreamingResponse(export_rows(request.app.state.store, caller.owner), media_type=MEDIA_TYPE)


@router.post("/import", openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}})
async def bring(request: Request, caller: Asker) -> Imported:
    """Add what an export holds and you do not have yet; all of it or nothing."""
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError:
        raise InputError("body", "is not text in UTF-8", "send what /v1/export gave") from None
    rows = await run_in_threadpool(import_rows, request.app.state.store, caller.owner, text.splitlines() or [""])
    return Imported(rows=rows)
