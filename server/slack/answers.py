"""From a plan to the parts of a message: steps, figures, the link to the page."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from server.auth import digest
from server.slack.blocks import Block
from server.slack.delivery import Delivery
from server.slack.uploads import show_figure
from server.slack.web import Web
from server.store.engine import Store, note
from server.store.tables import Share
from tools.registry import get_tool

if TYPE_CHECKING:
    from server.slack.desk import Desk

_STATUS = {"started": "in_progress", "done": "complete", "needs": "error"}
MAX_FIGURES = 1  # in a thread one picture is read, three are scrolled past; the page has them all


def show_step(delivery: Delivery, event: dict[str, Any]) -> None:
    """A step of the graph as a task of the stream."""
    tool = str(event["step"])
    delivery.step(tool, get_tool(tool).title, _STATUS[event["status"]], "needs more to go on" if event["status"] == "needs" else "")


async def figures(desk: Desk, web: Web, specs: Sequence[dict[str, Any]], name: str) -> list[Block]:
    """Figures drawn, uploaded and described; what cannot be drawn or uploaded is left out."""
    blocks: list[Block] = []
    for i, spec in enumerate(specs[:MAX_FIGURES]):
        picture = await desk.draw(spec)
        if picture is not None and (block := await show_figure(web, spec, picture, f"{name}-{i + 1}.png")):
            blocks.append(block)
    return blocks


def browser_link(store: Store, public_url: str, owner: str, plan_id: str) -> str:
    """A read-only link to the plan on the chat page, for whoever sees the message. Blocks."""
    token = secrets.token_urlsafe(32)
    with store.write() as session:
        session.add(Share(owner=owner, plan_id=plan_id, digest=digest(token), revoked=None))
        note(session, owner, "slack", "plan.shared", plan_id)
    return f"{public_url.rstrip('/')}/#/shared/{token}"
