"""What a message asks of the answer before it: its reasons, its formulas, or nothing of the kind."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, Field, create_model

from agent.brief import Brief

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
