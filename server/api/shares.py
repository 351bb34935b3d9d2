"""`/v1/shares`: a plan shown to whoever has a link, until the link is taken back."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response
from sqlmodel import select

from server.auth import Asker, digest
from server.errors import NotThere
from server.idempotency import IdempotentRoute, ident
from server.models import PlanOut, ShareIn, ShareLine, ShareOut, SharePage
from server.paging import Cursor, Limit, own, page
from server.store.engine import note
from server.store.tables import Plan, Share, now

router = APIRouter(tags=["shares"], route_class=IdempotentRoute)


@router.post("/shares", status_code=201)
def share_plan(given: ShareIn, request: Request, caller: Asker) -> ShareOut:
    """Make a read-only link to a plan of yours."""
    token = secrets.token_urlsafe(32)
    share = Share(id=ident("share"), owner=caller.owner, plan_id=given.plan_id, digest=digest(token))
    with request.app.state.store.write() as session:
        if session.exec(select(Plan.id).where(Plan.owner == caller.owner, Plan.id == given.plan_id)).first() is None:
            raise NotThere("plan", given.plan_id)
        session.merge(share)
        note(session, caller.owner, caller.key_id, "plan.shared", given.plan_id)
    return ShareOut(id=share.id, plan_id=share.plan_id, created=share.created, token=token, path=f"/v1/shared/{token}")


@router.get("/shares")
def list_shares(request: Request, caller: Asker, limit: Limit = 50, cursor: Cursor = None) -> SharePage:
    """Your links, newest first."""
    with request.app.state.store.read() as session:
        items, more = page(
            session, Share, [Share.owner == caller.owner], limit, cursor, lambda row: ShareLine.model_validate(row, from_attributes=True)
        )
    return SharePage(items=items, next=more)


@router.delete("/shares/{share_id}", status_code=204)
def revoke_share(share_id: str, request: Request, caller: Asker) -> None:
    """Take a link back: it shows nothing from now on."""
    with request.app.state.store.write() as session:
        share: Share = own(session, Share, share_id, caller.owner)
        share.revoked = share.revoked or now()
        session.add(share)
        note(session, caller.owner, caller.key_id, "share.revoked", share_id)


@router.get("/shared/{token}", response_model=PlanOut, response_model_exclude_none=True)
def show_shared(token: str, request: Request) -> Response:
    """A shared plan, by the token of its link; no key is needed."""
    with request.app.state.store.read() as session:
        share = session.exec(select(Share).where(Share.digest == digest(token))).first()
        plan = session.get(Plan, (share.owner, share.plan_id)) if share is not None and share.revoked is None else None
    if plan is None:
        raise NotThere("shared plan", "of this link")
    return Response(plan.body, media_type="application/json", headers={"Cache-Control": "private, no-store"})
