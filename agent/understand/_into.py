"""Two models with "into" between them ("a 70B into a 7B"): the first teaches, the second is the student, whichever is larger."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent.understand.names import Name
from agent.understand.slots import Slot
from knowledge.errors import InputError
from knowledge.shapes import model

_INTO = re.compile(
    r"^(?:'s)?(?: (?:param\w*|model|checkpoint|teacher|base|instruct|chat|lm|llm|one))* ?,? ?(?:down )?(?P<word>into|to|in|->|→|auf|in ein|vers|a) (?:an? |our |the |its |my |ein |un )*(?:smaller |small |tiny |new )*$"
)
# "teach a 1B from a 13B", "a 1B student of a 70B", "train a 1B with a 13B teacher": the student first.
_TAUGHT = re.compile(
    r"^(?:'s)?(?: (?:param\w*|model|student|one|lm|llm))* ?,? ?(?:from|with|by|using|of|under) (?:an? |our |the |its |my )*(?:larger |big |bigger |large )*$"
)
_DISTILS = re.compile(r"distil|compress|destill")
_TEACHES = re.compile(r"\bteach(?:es|ing|er)?\b|\bstudent\b|distil")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|m)\b")


@dataclass(frozen=True, slots=True)
class Pair:
    """Teacher and student of a distillation: sizes in params, and the teacher's name where it is a known one."""

    teacher_params: float
    student_params: float
    teacher: str | None


def params_of(name: str) -> float | None:
    """Params of a named model: the catalogue's, else the size its name says."""
    try:
        return model(name).params_total
    except InputError:
        said = _SIZE.search(name)
        return float(said[1]) * (1e9 if said[2] == "b" else 1e6) if said else None


def pair(text: str, slots: Iterable[Slot], named: Iterable[Name]) -> Pair | None:
    """The two models of "X into Y"; "to" and "in" count only beside a word for distillation."""
    if " into " not in text and not _DISTILS.search(text) and not _TEACHES.search(text):
        return None
    found = [
        (slot.measure.start, slot.measure.end, slot.measure.value, None)
        for slot in slots
        if slot.measure.dim in ("plain", "params") and slot.measure.value >= 1e6
    ]
    found += [(name.start, name.end, size, name.id) for name in named if name.kind == "model" and (size := params_of(name.id))]
    found.sort(key=lambda one: one[0])
    for (_, end, teacher, name), (start, after, student, _) in itertools.pairwise(found):
        link = _INTO.match(text[end:start])
        if link and (link["word"] == "into" or _DISTILS.search(text)) and not re.match(r" ?(?:tok|param\w* tok)", text[after:]):
            return Pair(teacher, student, name)
    for (_, end, student, _), (start, after, teacher, name) in itertools.pairwise(found):
        if _TEACHES.search(text) and student < teacher and _TAUGHT.match(text[end:start]) and not re.match(r" ?tok", text[after:]):
            return Pair(teacher, student, name)
    return None


def settle(values: dict[str, Any], told: dict[str, float | str | list[float]], found: Pair) -> None:
    """Hold student and teacher where the tool looks for them, in place."""
    values["params_total"] = found.student_params
    values.pop("models", None)
    if found.teacher is not None:
        values["models"] = [found.teacher]
    else:
        told["teacher_params"] = found.teacher_params


__all__ = ["Pair", "pair", "settle"]
