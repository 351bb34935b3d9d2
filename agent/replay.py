"""Saved plans: what is kept, recomputing it, and what changed with its cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from agent import ask
from agent.answer import Answer
from agent.brief import Brief
from agent.compose import versions
from agent.state import Context, RunsTable
from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard

FORMAT = "flopwise-plan/1"


class Difference(BaseModel):
    """A value that is not what the saved plan says."""

    where: str
    saved: Any
    now: Any
    cause: str


def save(answer: Answer, context: Context) -> dict[str, Any]:
    """A plan as plain data: enough to recompute it, laws of the user's own and what was attached included."""
    table, profile = context.table, context.profile
    attached = {
        **({"table": {"name": table.name, "columns": dict(table.columns), "group": table.group}} if table else {}),
        **({"profile": dict(profile)} if profile else {}),
    }
    laws = [card.model_dump(mode="json", exclude_defaults=True) for card in context.laws.own.values()]
    return {
        "format": FORMAT,
        "law": context.law,
        "laws": laws,
        **attached,
        "brief": answer.brief.stated(),
        "answer": answer.model_dump(mode="json", exclude_none=True),
    }


def load(text: str, where: str) -> dict[str, Any]:
    """A saved plan from text; raises InputError naming what is wrong."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(where, f"is not JSON (line {error.lineno})", "give a file that `flopwise plan --save` wrote") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(where, "is not a saved plan", f"expected format {FORMAT}")
    return data


def context_of(data: Mapping[str, Any]) -> Context:
    """The context a plan was made in."""
    cards = [LawCard.model_validate(card) for card in data.get("laws", [])]
    table = RunsTable(**data["table"]) if data.get("table") else None
    return Context(laws=LawBook().with_laws(cards), law=data.get("law"), table=table, profile=data.get("profile"))


def recompute(data: Mapping[str, Any], changes: Mapping[str, Any]) -> Answer:
    """The plan computed anew, with some fields of its brief replaced (None removes one)."""
    stated = {**data["brief"], **changes}
    brief = Brief.read({name: value for name, value in stated.items() if value is not None})
    return ask(brief=brief, context=context_of(data))


def differences(data: Mapping[str, Any], now: Answer) -> list[Difference]:
    """Every value of the saved results that is not reproduced, with the likely cause."""
    was, current = data["answer"].get("versions", {}), versions()
    changed = [f"{name} {was.get(name)} -> {current[name]}" for name in current if was.get(name) != current[name]]
    cause = "; ".join(changed) or "same versions: not reproducible, please report"
    fresh = [result.model_dump(mode="json", exclude_none=True) for result in now.results]
    saved = data["answer"]["results"]
    found: list[Difference] = []
    for i in range(max(len(saved), len(fresh))):
        before, after = (side[i]["values"] if i < len(side) else {} for side in (saved, fresh))
        tool = (saved[i] if i < len(saved) else fresh[i])["tool"]
        for key in dict.fromkeys([*before, *after]):
            pair = [side.get(key, {}) for side in (before, after)]
            if any(pair[0].get(part) != pair[1].get(part) for part in ("value", "low", "high")):
                found.append(Difference(where=f"{tool}.{key}", saved=pair[0].get("value"), now=pair[1].get("value"), cause=cause))
    return found
