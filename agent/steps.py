"""Running the planned steps: each tool once, what an earlier one found handed to the later ones, what is lacking gathered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from agent.brief import Brief
from agent.planner import ATTACHED, attribute, fields_for, needless
from agent.state import Context, Step
from knowledge.errors import InputError, MissingInput
from knowledge.schema import LawCard
from tools.registry import call
from tools.result import Notice, Result

Memo = dict[str, Any]
Tell = Callable[[dict[str, Any]], None]


@dataclass
class Outcome:
    """What came of the steps: results, the sets of fields any one of which is lacking, and what was left out."""

    results: list[Result] = field(default_factory=list[Result])
    needs: list[list[str]] = field(default_factory=list[list[str]])
    notices: list[Notice] = field(default_factory=list[Notice])


def run(steps: list[Step], brief: Brief, context: Context, memo: Memo | None, tell: Tell | None = None) -> Outcome:
    """Steps -> results. A follow-up that lacks an input is left out; the asked-for tool that lacks one asks back. Raises InputError."""
    tell = tell or (lambda event: None)
    done = Outcome()
    for step in steps:
        if done.needs and not step.asked:  # what was asked cannot be answered yet: nothing follows from it
            continue
        under = with_fits(context, done.results, brief)
        fields, chained = fields_for(step, brief, done.results, under)
        if needless(step, fields):
            continue
        tell({"step": step.tool, "status": "started", "fields": {key: value for key, value in fields.items() if key not in ATTACHED}})
        try:
            result = attribute(once(step.tool, fields, under, memo), chained).model_copy(update={"case": step.case})
        except MissingInput as missing:
            if step.asked:
                done.needs += [list(way) for way in missing.alternatives]
            tell({"step": step.tool, "status": "needs", "needs": missing.alternatives})
            continue
        except InputError as error:
            if step.asked:
                raise
            done.notices.append(Notice(level="info", text=f"{step.tool.replace('_', ' ')} was left out: {error}"))
            continue
        done.results.append(result)
        tell({"step": step.tool, "status": "done", "result": result})
    done.notices += _unused(context, done.results)
    return done


def once(tool: str, fields: dict[str, Any], context: Context, memo: Memo | None) -> Result:
    """A tool's result, computed once for the same fields within one question."""
    if memo is None:
        return call(tool, fields, context.laws)
    # What is attached is the same throughout a question, and too large to compare.
    key = f"{tool} {sorted((item for item in fields.items() if item[0] not in ATTACHED), key=lambda item: item[0])!r}"
    if key not in memo:
        memo[key] = call(tool, fields, context.laws)
    return memo[key]


def with_fits(context: Context, results: list[Result], brief: Brief) -> Context:
    """The context in which the steps after a fit run: its law is in the book, and preferred unless another one is named."""
    cards = [LawCard.model_validate(result.card) for result in results if result.card is not None]
    if not cards:
        return context
    law = context.law or (None if brief.laws else cards[-1].id)
    return replace(context, laws=context.laws.with_laws(cards), law=law)


def _unused(context: Context, results: list[Result]) -> list[Notice]:
    """What came with the question and changed nothing is told."""
    found: list[Notice] = []
    fits = [result for result in results if result.tool == "fit"]
    if fits and not any(result.card for result in fits) and len(results) > len(fits):
        text = "The attached runs determine no law; what follows from published laws is shown instead."
        found.append(Notice(level="warning", text=text))
    if context.profile and results and not any(_by_profile(result) for result in results):
        text = "The cluster's profile was not used: it corrects the predicted speed of training, in plans, times and bills."
        found.append(Notice(level="info", text=text))
    return found


def _by_profile(result: Result) -> bool:
    return any(value.source.startswith("profile of") for value in result.values.values())
