"""The service: one FastAPI app for the API, the chat page, the OpenAI-compatible endpoint and MCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from agent.compose import versions
from server import errors
from server.api import facts, laws, plans, tools
from server.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app with its settings in `app.state.settings`."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="flopwise", version=versions()["flopwise"], lifespan=lifespan, docs_url="/v1/docs", openapi_url="/v1/openapi.json", redoc_url=None)
    app.state.settings = settings
    errors.install(app)
    for router in (plans.router, laws.router, tools.router, facts.router):
        app.include_router(router, prefix="/v1")
    return app
