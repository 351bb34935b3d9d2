"""From a plan to the parts of a message: steps, figures, blocks, the link to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent.answer import Answer
from server.slack.blocks import Block, answer_blocks
from server.slack.delivery import Delivery
from server.slack.uploads import show_figure
from server.slack.web import Web
from tools.registry import get_tool

if TYPE_CHECKING:
    from server.slack.desk import Desk

_STATUS = {"started": "in_progress", "done": "complete", "needs": "error"}
MAX_FIGURES = 1  # in a thread one picture is read, three are scrolled past; the page has them all


def show_step(delivery: Delivery, event: dict[str, Any]) -> None:
    """A step of the graph as a task of the stream."""
    tool = str(event["step"])
    delivery.step(tool, get_tool(tool).title, _STATUS[event["status"]], "needs more to go on" if event["status"] == "needs" else "")


def message(answer: Answer, plan_id: str, figures: list[Block], link: str, asked_by: str = "") -> list[Block]:
    """The blocks of an answer."""
    return answer_blocks(answer, plan_id, figures=figures, link=link, asked_by=asked_by)


async def figures(desk: Desk, web: Web, answer: Answer, plan_id: str) -> list[Block]:
    """The figures of an answer, drawn and uploaded."""
    blocks: list[Block] = []
    for i, spec in enumerate(answer.figures[:MAX_FIGURES]):
        picture = await desk.draw(spec)
        if picture is not None and (block := await show_figure(web, spec, picture, f"plan-{plan_id[:8]}-{i + 1}.png")):
            blocks.append(block)
    return blocks


def browser_link(public_url: str, plan_id: str) -> str:
    """The plan's address on the chat page, or ''."""
    return f"{public_url.rstrip('/')}/plans/{quote(plan_id)}" if public_url else ""
