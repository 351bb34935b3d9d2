"""The service: one FastAPI app for the API, the chat page, the OpenAI-compatible endpoint and MCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent.compose import versions
from server import errors, openai
from server.api import estimates, facts, jobs, laws, ops, plans, shares, threads, tools, transfer, turns, views
from server.chat import page
from server.gate import Gate, Metrics
from server.idempotency import forget_old
from server.jobs import Jobs, Runner, worker_name
from server.mcp import http_manager
from server.plans import Plans
from server.settings import Settings
from server.store.engine import Store

ROUTERS = (plans, shares, threads, jobs, estimates, laws, tools, facts, turns, views, transfer, openai)


class _Mcp:
    """Hands requests to the MCP manager that runs with the app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.mcp.handle_request(scope, receive, send)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app. While it runs, `app.state` holds settings, store, plans, jobs and metrics."""
    settings = settings or Settings.load()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        stack = ExitStack()
        try:
            await run_in_threadpool(_start, app, settings, stack)  # in a thread: DBOS refuses to be started within an event loop
            async with app.state.mcp.run():
                yield
        finally:
            app.state.stopping = True
            await run_in_threadpool(stack.close)

    app = FastAPI(
        title="flopwise",
        version=versions()["flopwise"],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        summary="Plans of training and serving models, with numbers from published scaling laws",
        responses=errors.RESPONSES,
    )
    app.state.settings, app.state.metrics, app.state.stopping = settings, Metrics(), False
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router, prefix="/v1")
    app.include_router(ops.router)
    app.include_router(page.router)
    app.router.routes.append(Route("/mcp", _Mcp(), methods=["GET", "POST", "DELETE"], include_in_schema=False))
    app.add_middleware(Gate, settings=settings, metrics=app.state.metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "X-Request-Id"],
        )
    if settings.otel:
        from server import tracing

        tracing.install(app)
    return app


def _start(app: FastAPI, settings: Settings, stack: ExitStack) -> None:
    store = Store(settings.store_url)
    stack.callback(store.close)
    forget_old(store)
    app.state.store = store
    app.state.plans = Plans(store, settings)
    stack.callback(app.state.plans.close)
    app.state.mcp = http_manager(app.state.plans)
    app.state.jobs = Jobs(store)
    stack.callback(app.state.jobs.close)
    if settings.runs_jobs:
        # On SQLite this process is the only one, so after a restart its jobs are its own again at once.
        runner = Runner(store, app.state.plans, settings, "serve" if store.is_sqlite else worker_name())
        runner.start()
        stack.callback(runner.stop)
