"""The whole route of a question, on one screen.

understand -> plan -> act -> word
    |          ^        |      ^
    |          clarify <-      |   (something needed is missing, and there is somebody to ask)
    +-> explore ---------------+   (free-form, by a language model's own tool calls)
"""

from __future__ import annotations

import functools
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent import assisted, comparison, compose, dialogue, steps
from agent.answer import ModelCost
from agent.brief import Brief
from agent.literature import about_papers
from agent.planner import plan_steps
from agent.state import AskState, Context, with_table
from agent.steps import Tell
from agent.understand.parser import Understanding, parse
from knowledge.errors import InputError
from tools.result import Notice


def understand(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Question -> brief (a brief given in its place is taken as it is), by the language model where one is set and holds."""
    context, question = runtime.context, state.get("question", "")
    fresh: AskState = {"memo": {}, "session": None, "results": [], "needs": [], "free_form": False, "view": "answer", "notices": []}
    if state.get("brief") is not None and not question:
        return {**fresh, "understood_by": "brief", "brief": with_table(state["brief"], context)}
    before = state.get("context_brief") or state.get("brief")
    if before is not None and (view := dialogue.view_of(question, before)) != "answer":
        return {**fresh, "brief": with_table(before, context), "view": view, "understood_by": "built-in"}
    read = parse(question, before)
    found: AskState = {**fresh, "brief": read.brief, "understood_by": "built-in", "notices": [_info(text) for text in read.notices]}
    if context.model:
        ahead = functools.partial(_compute_ahead, _completed(read.brief, read, question, context)[0], question, context, fresh["memo"])
        found |= assisted.read(question, read, before, {**state, **found}, context, ahead)
    brief, told = _completed(found["brief"], read, question, context)
    return {**found, "brief": brief, "notices": [*found.get("notices", []), *map(_info, told)]}


def _completed(brief: Brief, read: Understanding, question: str, context: Context) -> tuple[Brief, list[str]]:
    """A brief with what its fields alone do not say: the table at hand, what is compared with what, the paper that is meant."""
    return about_papers(comparison.arranged(with_table(brief, context), read.spans, question), question)


def _compute_ahead(brief: Brief, question: str, context: Context, memo: steps.Memo) -> None:
    """Run the built-in reading's tools, so that their results are there should it be used."""
    try:
        steps.run(plan_steps(brief, question, table=context.table is not None), brief, context, memo)
    except InputError:  # told when the steps are run in earnest
        return


def plan(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Brief -> steps."""
    brief, table = state["brief"], runtime.context.table is not None
    planned = plan_steps(brief, state.get("question", ""), table=table)
    told = comparison.told(brief) if len([step for step in planned if step.case]) > 1 else []
    if brief.runs is not None and not table and all(step.tool != "fit" for step in planned):
        told.append(f"The table {brief.runs} is not attached to this question; published laws answer it.")
    known = state.get("notices", [])
    return {"steps": planned, "results": [], "needs": [], "notices": [*known, *(new for new in map(_info, told) if new not in known)]}


def act(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Steps -> results, or what is lacking for them."""
    done = steps.run(state["steps"], state["brief"], runtime.context, state.get("memo"), _teller(runtime))
    return {"results": done.results, "needs": done.needs, "notices": [*state.get("notices", []), *done.notices]}


def explore(state: AskState, runtime: Runtime[Context]) -> AskState:
    """A free-form question -> results of the tools the model called; without any, the brief is planned as ever."""
    return assisted.explore(state, runtime.context, _teller(runtime))


def clarify(state: AskState) -> AskState:
    """Ask for what is missing, as a typed form; the reply's fields (or its text) join the brief. Raises InputError."""
    return {"brief": dialogue.completed(state["brief"], state["needs"], interrupt(dialogue.asked_back(state["needs"])))}


def word(state: AskState, runtime: Runtime[Context]) -> AskState:
    """Results -> answer, its numbers checked against the results."""
    context = steps.with_fits(runtime.context, state.get("results", []), state["brief"])
    prose, told = assisted.prose(state, context) if context.model else ("", [])
    answer = compose.answer({**state, "notices": [*state.get("notices", []), *told]}, context, prose)
    if (session := state.get("session")) is not None:
        answer.model_cost = ModelCost(calls=session.calls, tokens_read=session.tokens_in, tokens_written=session.tokens_out)
    return {"answer": answer}


def after_understand(state: AskState, runtime: Runtime[Context]) -> Literal["explore", "plan"]:
    """Free-form questions go to the model's own tool calls, which take no table."""
    return "explore" if state.get("free_form") and runtime.context.table is None else "plan"


def after_explore(state: AskState) -> Literal["plan", "word"]:
    """Without results of its own the brief is planned."""
    return "word" if state.get("results") else "plan"


def after_act(state: AskState, runtime: Runtime[Context]) -> Literal["clarify", "word"]:
    """Ask back only where somebody can answer."""
    return "clarify" if state["needs"] and runtime.context.interactive else "word"


def _teller(runtime: Runtime[Context]) -> Tell:
    """Who hears of each step: the listener of the context, else whoever streams the graph."""
    return runtime.context.on_event or runtime.stream_writer


def _info(text: str) -> Notice:
    return Notice(level="info", text=text)


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
