"""The whole route of a question, on one screen.

understand -> plan -> act -> word
    |          ^        |      ^
    |          clarify <-      |   (something needed is missing, and there is somebody to ask)
    +-> explore ---------------+   (free-form, by a language model's own tool calls)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import ValidationError

from agent import compose, wording
from agent.answer import ModelCost
from agent.brief import Brief
from agent.dialogue import form_for, view_of
from agent.planner import attribute, fields_for, plan_steps
from agent.state import AskState, Context
from agent.understand.parser import Understanding, parse
from knowledge.errors import InputError, MissingInput
from tools.registry import call
from tools.result import Notice


def understand(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Question -> brief (a brief given in its place is taken as it is), by the language model where one is set and holds."""
    fresh: AskState = {"memo": {}, "session": None, "results": [], "needs": [], "free_form": False, "view": "answer"}
    if state.get("brief") is not None and not state.get("question"):
        return {**fresh, "understood_by": "brief", "notices": []}
    before = state.get("context_brief") or state.get("brief")
    if before is not None and (view := view_of(state["question"], before)) != "answer":
        return {**fresh, "brief": before, "view": view, "understood_by": "built-in", "notices": []}
    read = parse(state["question"], before)
    told = [Notice(level="info", text=text) for text in read.notices]
    fresh |= {"brief": read.brief, "understood_by": "built-in", "notices": told}
    return {**fresh, **_by_model(state["question"], read, before, fresh, runtime.context)} if runtime.context.model else fresh


def _by_model(question: str, read: Understanding, before: Brief | None, fresh: AskState, context: Context) -> AskState:
    """What the language model's reading changes; its failure changes nothing but is told."""
    from agent.model import ModelFailure, Session
    from agent.understand import model

    session, memo = Session(context), fresh["memo"]
    try:
        reading = model.understand(question, read, before, session, meanwhile=lambda: _compute_ahead(question, read.brief, context, memo))
    except ModelFailure as failure:
        session.failure = session.failure or str(failure)
        text = f"The language model {failure}; the built-in parser read the question."
        return {"session": session, "notices": [*fresh["notices"], Notice(level="info", text=text)]}
    told = [*fresh["notices"], *(Notice(level="caution", text=text) for text in reading.notices)]
    if reading.brief.task != read.brief.task:
        told.append(
            Notice(
                level="info",
                text=f"The language model read this as {_spaced(reading.brief.task)}, the built-in parser as {_spaced(read.brief.task)}.",
            )
        )
    return {"session": session, "brief": reading.brief, "understood_by": session.name, "notices": told, "free_form": reading.free_form}


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _compute_ahead(question: str, brief: Brief, context: Context, memo: dict[str, Any]) -> None:
    """Run the built-in reading's tools while the model is waited for, so that a late model costs nothing on top of its limit."""
    results: list[Any] = []
    try:
        for step in plan_steps(brief, question):
            fields, chained = fields_for(step, brief, results, context)
            results.append(attribute(_call(step.tool, fields, context, memo), chained).model_copy(update={"case": step.case}))
    except InputError:  # told when the steps are run in earnest
        return


def _call(tool: str, fields: dict[str, Any], context: Context, memo: dict[str, Any] | None) -> Any:
    """A tool's result, computed once for the same fields within one question."""
    if memo is None:
        return call(tool, fields, context.laws)
    key = f"{tool} {sorted(fields.items(), key=lambda item: item[0])!r}"
    if key not in memo:
        memo[key] = call(tool, fields, context.laws)
    return memo[key]


def _teller(runtime: Runtime[Context]) -> Callable[[dict[str, Any]], None]:
    """Who hears of each step: the listener of the context, else whoever streams the graph."""
    return runtime.context.on_event or runtime.stream_writer


def plan(state: AskState) -> AskState:
    """Brief -> steps."""
    return {"steps": plan_steps(state["brief"], state.get("question", "")), "results": [], "needs": []}


def act(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Steps -> results. A follow-up that lacks an input is left out; the asked-for tool that lacks one asks back."""
    tell = _teller(runtime)
    results: list[Any] = []
    needs: list[list[str]] = []
    notices = list(state.get("notices", []))
    for step in state["steps"]:
        if needs and not step.asked:  # what was asked cannot be answered yet: nothing follows from it
            continue
        fields, chained = fields_for(step, state["brief"], results, runtime.context)
        tell({"step": step.tool, "status": "started", "fields": fields})
        try:
            result = attribute(_call(step.tool, fields, runtime.context, state.get("memo")), chained).model_copy(update={"case": step.case})
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


def explore(state: AskState, runtime: Runtime[Context]) -> AskState:
    """A free-form question -> results of the tools the model called; where none came of it, the brief is planned as ever."""
    from agent import explore as free
    from agent.model import ModelFailure

    context, memo = runtime.context, state.get("memo")
    try:
        results = free.explore(
            state["question"],
            state["brief"],
            state["session"],
            lambda tool, fields: _call(tool, fields, context, memo),
            _teller(runtime),
        )
    except ModelFailure as failure:
        text = f"The language model {failure}; the built-in planner chose the tools."
        return {"notices": [*state["notices"], Notice(level="info", text=text)], "free_form": False}
    return {"results": results, "brief": free.answered(state["brief"], results)}


def clarify(state: AskState) -> AskState:
    """Ask for what is missing, as a typed form; the reply's fields (or its text) join the brief. Raises InputError."""
    form = form_for(_wanted(state))
    reply: Any = interrupt(
        {
            "needs": [wording.need(field).model_dump() for field in _wanted(state)],
            "any_of": state["needs"],
            "form": form.model_json_schema(),
        }
    )
    if isinstance(reply, str):
        return {"brief": parse(reply, state["brief"].changed(missing=None)).brief}
    try:
        filled = form.model_validate(reply)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(".".join(map(str, first["loc"])) or "reply", first["msg"], "fill in the form") from None
    return {"brief": state["brief"].changed(missing=None, **filled.model_dump(exclude_none=True))}


def _wanted(state: AskState) -> list[str]:
    return list(dict.fromkeys(field for way in state["needs"] for field in way))


def after_understand(state: AskState) -> Literal["explore", "plan"]:
    """Free-form questions go to the model's own tool calls."""
    return "explore" if state.get("free_form") else "plan"


def after_explore(state: AskState) -> Literal["plan", "word"]:
    """Without results of its own the brief is planned."""
    return "word" if state.get("results") else "plan"


def after_act(state: AskState, runtime: Runtime[Context]) -> Literal["clarify", "word"]:
    """Ask back only where somebody can answer."""
    return "clarify" if state["needs"] and runtime.context.interactive else "word"


def word(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Results -> answer, its numbers checked against the results."""
    told = list(state.get("notices", []))
    prose = (
        _prose(state, runtime.context, told)
        if runtime.context.model and state.get("results") and state.get("view", "answer") == "answer"
        else ""
    )
    answer = compose.answer({**state, "notices": told}, runtime.context, prose)
    if (session := state.get("session")) is not None:
        answer.model_cost = ModelCost(calls=session.calls, tokens_read=session.tokens_in, tokens_written=session.tokens_out)
    return {"answer": answer}


def _prose(state: AskState, context: Context, told: list[Notice]) -> str:
    """A model's sentences around the results, or nothing (and why) where it wrote numbers of its own or came too late."""
    from agent import prose
    from agent.model import ModelFailure, Session

    session = state.get("session") or Session(context)
    if not session.usable:
        return ""
    brief = state["brief"]
    try:
        return prose.write(state.get("question", ""), brief.language or "en", compose.asked_results(brief, state["results"]), session)
    except ModelFailure as failure:
        told.append(Notice(level="info", text=f"The language model {failure}; the answer is worded from templates."))
        return ""


@functools.cache
def build(checkpointer: Any = None) -> Any:
    """The compiled graph."""
    graph = StateGraph(AskState, context_schema=Context)
    for node in (understand, explore, plan, act, clarify, word):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", after_understand)
    graph.add_conditional_edges("explore", after_explore)
    graph.add_edge("plan", "act")
    graph.add_conditional_edges("act", after_act)
    graph.add_edge("clarify", "plan")
    graph.add_edge("word", END)
    return graph.compile(checkpointer=checkpointer)
