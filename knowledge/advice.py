"""All advice of the base at once, from one compiled file: a question must not wait for every card to be parsed."""

from __future__ import annotations

import functools
import json
from importlib.resources import files

from knowledge.library import LawBook
from knowledge.schema import Advice

FILE = "advice.json"


@functools.cache
def published_advice() -> tuple[tuple[str, Advice], ...]:
    """Every advice of the published cards with its card's id, in order of id (written by `python -m knowledge.index`)."""
    entries = json.loads((files("knowledge") / FILE).read_text(encoding="utf8"))
    return tuple((entry["law"], Advice.model_validate(entry["advice"])) for entry in entries)


def compile_advice(laws: LawBook | None = None) -> str:
    """The text of the compiled file, from the cards."""
    entries = [
        {"law": card.id, "advice": advice.model_dump(mode="json", exclude_defaults=True)}
        for card in laws or LawBook()
        for advice in card.advice
    ]
    return "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n]\n"
