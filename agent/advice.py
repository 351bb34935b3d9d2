"""Findings that speak up: which cards' advice applies to a brief and its results."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from agent.brief import Brief
from knowledge.advice import published_advice
from knowledge.library import LawBook
from knowledge.schema import Advice, Bound
from tools.result import Notice, Result


def facts(brief: Brief, results: list[Result]) -> dict[str, Any]:
    """What conditions may speak of: stated fields, and the values of results where the question states none."""
    found: dict[str, Any] = {}
    for result in reversed(results):
        found |= {name: value.value for name, value in result.values.items()}
    return {**found, **brief.stated(), "task": [brief.task, *(brief.also or [])]}


def applies(advice: Advice, known: Mapping[str, Any]) -> bool:
    """Whether every condition of an advice holds."""
    return all(_holds(condition, known.get(name)) for name, condition in advice.when.items())


def _holds(condition: list[Any] | Bound, value: Any) -> bool:
    if isinstance(condition, Bound):
        if condition.stated is not None and (value is not None) != condition.stated:
            return False
        if condition.above is None and condition.below is None:
            return True
        numbers = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, int | float)]
        return any((condition.above is None or n > condition.above) and (condition.below is None or n < condition.below) for n in numbers)
    values = value if isinstance(value, list) else [value]
    return any(item in condition for item in values)


@functools.lru_cache(maxsize=256)
def _published_for(tasks: tuple[str, ...]) -> tuple[tuple[str, Advice], ...]:
    """The published advice that these tasks do not rule out; nearly all of it is for few tasks."""
    return tuple(
        (law, advice)
        for law, advice in published_advice()
        if not isinstance(condition := advice.when.get("task", Bound()), list) or not set(tasks).isdisjoint(condition)
    )


def raise_advice(brief: Brief, results: list[Result], laws: LawBook, limit: int = 5) -> list[Notice]:
    """The advice that applies, the gravest first, then the most specific."""
    known = facts(brief, results)
    own = tuple((card.id, advice) for card in laws.own.values() for advice in card.advice)
    named = _named_findings(brief, laws)
    published = published_advice() if named else _published_for(tuple(known["task"]))
    matching = [(law, advice) for law, advice in (*published, *own) if law in named or applies(advice, known)]
    grave = {"warning": 0, "caution": 1, "info": 2}
    matching.sort(key=lambda pair: (pair[0] not in named, grave[pair[1].level], -len(pair[1].when)))
    return [Notice(level=advice.level, text=advice.say, source=law) for law, advice in matching[:limit]]


def _named_findings(brief: Brief, laws: LawBook) -> set[str]:
    """Findings the question names, which speak whatever else it says; `explain` tells them itself."""
    if brief.task == "explain":
        return set()
    return {law for law in brief.laws or () if law in laws and laws.get(law).kind == "finding"}
