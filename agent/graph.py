"""The whole route of a question, on one screen.

    understand -> plan -> act -> word
                   ^        |
                   clarify <-   (something needed is missing, and there is somebody to ask)
"""

from __future__ import annotations

import functools
from typing import Any, Literal

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent import compose, wording
from agent.planner import attribute, fields_for, plan_steps
from agent.state import AskState, Context
from agent.understand.parser import parse
from knowledge.errors import InputError, MissingInput
from tools.registry import call
from tools.result import Notice


def understand(state: AskState) -> AskState:
    """Question -> brief (a brief given in its place is taken as it is)."""
    if state.get("brief") is not None and not state.get("question"):
        return {"understood_by": "brief", "notices": []}
    read = parse(state["question"], state.get("context_brief"))
    return {"brief": read.brief, "understood_by": "built-in", "notices": [Notice(level="info", text=text) for text in read.notices]}


def plan(state: AskState) -> AskState:
    """Brief -> steps."""
    return {"steps": plan_steps(state["brief"], state.get("question", "")), "results": [], "needs": []}


def act(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Steps -> results. A follow-up that lacks an input is left out; the asked-for tool that lacks one asks back."""
    tell = get_stream_writer()
    results: list[Any] = []
    needs: list[list[str]] = []
    notices = list(state.get("notices", []))
    for step in state["steps"]:
        fields, chained = fields_for(step, state["brief"], results, runtime.context)
        tell({"step": step.tool, "status": "started", "fields": fields})
        try:
            result = attribute(call(step.tool, fields, runtime.context.laws), chained).model_copy(update={"case": step.case})
        except MissingInput as missing:
            if step.asked:
                needs += [list(way) for way in missing.alternatives]
            tell({"step": step.tool, "status": "needs", "needs": missing.alternatives})
            continue
        except InputError as error:
            if step.asked:
                raise
            notices.append(Notice(level="info", text=f"{step.tool.replace('_', ' ')} was left out: {error}"))
            continue
        results.append(result)
        tell({"step": step.tool, "status": "done", "result": result})
    return {"results": results, "needs": needs, "notices": notices}


def clarify(state: AskState) -> AskState:
    """Ask for what is missing, as a form; the reply's fields join the brief."""
    reply: dict[str, Any] = interrupt({"needs": [wording.need(field).model_dump() for field in _wanted(state)], "any_of": state["needs"]})
    return {"brief": state["brief"].changed(missing=None, **reply)}


def _wanted(state: AskState) -> list[str]:
    return list(dict.fromkeys(field for way in state["needs"] for field in way))


def after_act(state: AskState, runtime: Runtime[Context]) -> Literal["clarify", "word"]:
    """Ask back only where somebody can answer."""
    return "clarify" if state["needs"] and runtime.context.interactive else "word"


def word(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Results -> answer, its numbers checked against the results."""
    return {"answer": compose.answer(state, runtime.context)}


@functools.cache
def build(checkpointer: Any = None) -> Any:
    """The compiled graph."""
    graph = StateGraph(AskState, context_schema=Context)
    for node in (understand, plan, act, clarify, word):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "understand")
    graph.add_edge("understand", "plan")
    graph.add_edge("plan", "act")
    graph.add_conditional_edges("act", after_act)
    graph.add_edge("clarify", "plan")
    graph.add_edge("word", END)
    return graph.compile(checkpointer=checkpointer)
