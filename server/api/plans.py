"""`/v1/plans`: a question or a brief in, a plan out, under an id that its content determines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from server import sse
from server.auth import Asker
from server.idempotency import IdempotentRoute
from server.models import PlanIn, PlanLine, PlanOut, PlanPage
from server.paging import Cursor, Limit, page
from server.plans import Made, Plans, replayed
from server.store.tables import Plan

router = APIRouter(tags=["plans"], route_class=IdempotentRoute)


def plans_of(request: Request) -> Plans:
    """The service's plans."""
    return request.app.state.plans


def _answer(made: Made, status: int = 200) -> Response:
    headers = {"ETag": f'"{made.id}"', "Cache-Control": "private, max-age=0", "Location": f"/v1/plans/{made.id}"}
    return Response(made.body, status, headers, "application/json")


@router.post("/plans", response_model=PlanOut, response_model_exclude_none=True, responses=sse.DOCUMENTED)
async def make_plan(asked: PlanIn, request: Request, caller: Asker, stream: bool = False) -> Response:
    """Make a plan. With `Accept: text/event-stream` (or `?stream=true`) every step as it happens, the plan last."""
    plans = plans_of(request)
    if sse.wants_events(request, stream):
        return sse.response(sse.told(lambda tell: plans.make(caller.owner, asked, tell).body))
    return _answer(plans.at_hand(caller.owner, asked) or await run_in_threadpool(plans.make, caller.owner, asked))


@router.get("/plans")
def list_plans(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> PlanPage:
    """Your plans, newest first."""
    with request.app.state.store.read() as session:
        columns = (Plan.id, Plan.created, Plan.question, Plan.headline)
        items, more = page(
            session,
            Plan,
            [Plan.owner == caller.owner],
            limit,
            cursor,
            lambda row: PlanLine.model_validate(row, from_attributes=True),
            columns=columns,
        )
    return PlanPage(items=items, next=more)


@router.get("/plans/{plan_id}", response_model=PlanOut, response_model_exclude_none=True, responses={304: {"description": "Unchanged"}})
async def show_plan(plan_id: str, request: Request, caller: Asker, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """A plan by its id; its ETag never changes."""
    plans = plans_of(request)
    if if_none_match and f'"{plan_id}"' in if_none_match and await run_in_threadpool(plans.holds, caller.owner, plan_id):
        return Response(status_code=304, headers={"ETag": f'"{plan_id}"'})
    return _answer(await run_in_threadpool(plans.get, caller.owner, plan_id))


@router.delete("/plans/{plan_id}", status_code=204)
def delete_plan(plan_id: str, request: Request, caller: Asker) -> None:
    """Delete a plan and the links that share it."""
    plans_of(request).forget(caller.owner, caller.key_id, plan_id)


@router.get("/plans/{plan_id}/events", response_class=Response, responses=sse.DOCUMENTED)
def plan_events(plan_id: str, request: Request, caller: Asker) -> Response:
    """The steps that led to a plan as server-sent events (`step`), the plan last (`answer`)."""
    made = plans_of(request).get(caller.owner, plan_id)

    def events() -> Iterator[bytes]:
        for number, step in enumerate(replayed(made)):
            yield sse.event("step", step, str(number))
        yield sse.event("answer", made.body)

    return sse.response(events())
