"""Health, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from agent.compose import versions
from server.errors import document, respond

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """That the server is up, and what it is."""

    status: str
    versions: dict[str, str]


@router.get("/health/live")
async def live() -> Health:
    """Whether the process answers at all."""
    return Health(status="ok", versions=versions())


@router.get("/health/ready", response_model=Health, responses={503: {"description": "Not ready"}})
def ready(request: Request) -> Response | Health:
    """Whether requests can be served: the store answers and the server is not stopping."""
    if request.app.state.stopping:
        return respond(document(503, "Not ready", "the server is stopping"))
    try:
        request.app.state.store.ping()
    except SQLAlchemyError as error:
        return respond(document(503, "Not ready", f"the store does not answer: {type(error).__name__}"))
    return Health(status="ok", versions=versions())


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
def metrics(request: Request) -> Response:
    """Counters and times for Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
