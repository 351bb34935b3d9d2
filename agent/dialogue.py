"""What a message asks of the answer before it (its reasons, its formulas), and the typed form for what a question lacks."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model

from agent import wording
from agent.brief import Brief
from agent.understand.parser import parse
from knowledge.errors import InputError

View = Literal["answer", "why", "formula"]
_LONGEST = 60  # characters: a longer message asks something of its own
_WHY = re.compile(
    r"^\W*(?:but |and |ok(?:ay)? |so )*(?:why|how come|what makes you (?:say|think) (?:so|that)|explain (?:that|this|yourself)|warum|wieso|weshalb|pourquoi|por qu[eé]|为什么|為什麼|为何|なぜ|どうして)"
    r"(?: (?:is|was|so|not|that|this|the|those|these|answer|then|das|denn|nicht|ça|cela|eso))*(?:ですか|呢)?\W*$",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\b(?:(?:show|see|give|tell|what(?:'s| is| are)|which|with)\b.{0,25}\b(?:formulas?|formulae|equations?|derivation|calculation|math|working)|how (?:did|do) you (?:get|calculate|compute|arrive)\b|formel|formule|fórmula)"
    r"|公式|計算式|数式",
    re.IGNORECASE,
)


def view_of(message: str, before: Brief | None) -> View:
    """Whether a message asks why, asks for the formulas, or asks something to compute. Without an answer before it is always the last."""
    text = " ".join(message.split())
    if before is None or len(text) > _LONGEST:
        return "answer"
    if _WHY.match(text):
        return "why"
    return "formula" if _FORMULA.search(text) and not re.search(r"\d", text) else "answer"


def form_for(fields: list[str]) -> type[BaseModel]:
    """A typed form for what is asked back: every field optional, as the brief has it; anything else is refused."""
    entries = {
        name: (Brief.model_fields[name].annotation, Field(default=None, description=name.replace("_", " ")))
        for name in fields
        if name in Brief.model_fields
    }
    return create_model("Reply", __config__={"extra": "forbid"}, **entries)  # type: ignore[call-overload]


def asked_back(needs: list[list[str]]) -> dict[str, Any]:
    """What an interrupt tells the person: the fields with unit and example, the sets any one of which would do, and the form's schema."""
    fields = _fields(needs)
    return {
        "needs": [wording.need(field).model_dump() for field in fields],
        "any_of": needs,
        "form": form_for(fields).model_json_schema(),
    }


def completed(brief: Brief, needs: list[list[str]], reply: Any) -> Brief:
    """The brief with a reply to what was asked back: the form filled in, or words. Raises InputError."""
    if isinstance(reply, str):
        return parse(reply, brief.changed(missing=None)).brief
    try:
        filled = form_for(_fields(needs)).model_validate(reply)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(".".join(map(str, first["loc"])) or "reply", first["msg"], "fill in the form") from None
    return brief.changed(missing=None, **filled.model_dump(exclude_none=True))


def _fields(needs: list[list[str]]) -> list[str]:
    return list(dict.fromkeys(field for way in needs for field in way))
