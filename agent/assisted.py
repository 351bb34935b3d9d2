"""What a language model adds to the route, each part with the built-in one behind it: its failure changes nothing but is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent import compose
from agent.brief import Brief
from agent.planner import attached
from agent.state import AskState, Context
from agent.steps import Tell, once
from agent.understand.parser import Understanding
from tools.registry import get_tool
from tools.result import Notice, Result


def read(
    question: str, built_in: Understanding, before: Brief | None, so_far: AskState, context: Context, ahead: Callable[[], object]
) -> AskState:
    """What the model's reading changes. `ahead` is run while the model is waited for: a late model then costs nothing on top of its limit."""
    from agent.model import ModelFailure, Session
    from agent.understand import model

    session, told = Session(context, so_far.get("asked_at")), so_far["notices"]
    try:
        reading = model.understand(question, built_in, before, session, meanwhile=ahead)
    except ModelFailure as failure:
        session.failure = session.failure or str(failure)
        return {"session": session, "notices": [*told, _failed(failure, "the built-in parser read the question")]}
    told = [*told, *(Notice(level="caution", text=text) for text in reading.notices)]
    if reading.brief.task != built_in.brief.task:
        mine, its = (brief.task.replace("_", " ") for brief in (built_in.brief, reading.brief))
        told.append(Notice(level="info", text=f"The language model read this as {its}, the built-in parser as {mine}."))
    return {"session": session, "brief": reading.brief, "understood_by": session.name, "notices": told, "free_form": reading.free_form}


def explore(state: AskState, context: Context, tell: Tell) -> AskState:
    """A free-form question -> results of the tools the model called; where none came of it, the brief is planned as ever."""
    from agent import explore as free
    from agent.model import ModelFailure

    def call(tool: str, fields: dict[str, Any]) -> Result:
        takes = get_tool(tool).request.model_fields
        return once(tool, fields | {key: value for key, value in attached(context).items() if key in takes}, context, state.get("memo"))

    try:
        results = free.explore(state["question"], state["brief"], state["session"], call, tell)
    except ModelFailure as failure:
        return {"notices": [*state["notices"], _failed(failure, "the built-in planner chose the tools")], "free_form": False}
    return {"results": results, "brief": free.answered(state["brief"], results)}


def prose(state: AskState, context: Context) -> tuple[str, list[Notice]]:
    """A model's sentences around the results; or nothing, and why, where it wrote numbers of its own or came too late."""
    from agent import prose as wording
    from agent.model import ModelFailure, Session

    session, brief, results = state.get("session") or Session(context, state.get("asked_at")), state["brief"], state.get("results", [])
    if not results or state.get("view", "answer") != "answer" or not session.usable:
        return "", []
    try:
        return wording.write(state.get("question", ""), brief.language or "en", compose.asked_results(brief, results), session), []
    except ModelFailure as failure:
        return "", [_failed(failure, "the answer is worded from templates")]


def _failed(failure: Exception, instead: str) -> Notice:
    return Notice(level="info", text=f"The language model {failure}; {instead}.")
