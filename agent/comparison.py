"""Several values compared: which combinations a question asks about, paired where it states them side by side, crossed where it lists them apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from agent.brief import LIMITS, Brief
from agent.understand.parser import Span
from knowledge.errors import InputError
from tools.registry import get_tool

MAX_CASES = 12
# Parts of a set-up: where nobody can look at the wording, lists of one length ("64 A100 at $1.5/h or 32 H100 at $3/h") are alternatives side by side.
_SET_UP = ("accelerator", "n_accelerators", "price_per_accelerator_hour_usd", "accelerator_hours", "duration_seconds")
_COMPARED = frozenset({*LIMITS, "accelerator", "models", "laws", "architecture"})
_RESPECTIVELY = re.compile(
    r"\b(?:respectively|jeweils|beziehungsweise|bzw|respectivement|respectivamente)\b|分别|分別|それぞれ", re.IGNORECASE
)
_EACH_WITH_EACH = re.compile(r"\bcombinations?\b|\bkombination|\bcombinaison|\bcombinaci[oó]n|组合|組み合わせ", re.IGNORECASE)
PAIRED = "paired"  # the brief's detail that holds the decision: "accelerator+n_accelerators", or "none"


def arranged(brief: Brief, spans: Sequence[Span], question: str) -> Brief:
    """The brief with its lists of one length told paired or crossed, by where the question states their values.

    "64 H100s or 32 B200s" alternates between the two fields and pairs them; "64 or 128 H100s or B200s" lists one after the other.
    """
    starts = {name: [span.start for span in spans if span.field == name] for name in _lists(brief)}
    alike = [pair for pair in _of_one_length(brief) if all(starts[name] for name in pair)]
    if not alike:
        return brief
    if _EACH_WITH_EACH.search(question):
        paired = []
    elif _RESPECTIVELY.search(question):
        paired = alike
    else:
        paired = [(one, two) for one, two in alike if max(starts[one]) > min(starts[two]) and max(starts[two]) > min(starts[one])]
    return brief.changed(details={**(brief.details or {}), PAIRED: ",".join("+".join(pair) for pair in paired) or "none"})


def told(brief: Brief) -> list[str]:
    """What is said about lists of one length: which were paired and which crossed, and how to ask for the other."""
    alike, groups = _of_one_length(brief), _groups(brief, _lists(brief))
    texts = [
        f"Compared side by side, as stated: {_named(group)}. Ask for “every combination” to have them crossed."
        for group in groups
        if len(group) > 1
    ]
    crossed = [pair for pair in alike if not any(set(pair) <= set(group) for group in groups)]
    return texts + [f"Every combination is compared: {_named(pair)}. Say “respectively” to have them side by side." for pair in crossed[:1]]


def cases(brief: Brief, tool: str) -> Iterator[dict[str, Any]]:
    """The compared values of a brief for one tool: one dict of its list-valued fields per case (an empty one when nothing is compared).

    Raises InputError beyond MAX_CASES.
    """
    takes = {*get_tool(tool).request.model_fields, "models", "laws"}
    compared = {name: values for name, values in _lists(brief).items() if name in takes and not accepts_list(tool, name)}
    axes = [
        [dict(zip(group, row, strict=True)) for row in zip(*(compared[name] for name in group), strict=True)]
        for group in _groups(brief, compared)
    ]
    found = [{name: value for part in parts for name, value in part.items()} for parts in itertools.product(*axes)]
    if len(found) > MAX_CASES:
        raise InputError(
            next(iter(compared)), f"the question compares {len(found)} combinations", f"ask about at most {MAX_CASES} at a time"
        )
    yield from found


def accepts_list(tool: str, name: str) -> bool:
    """Whether a tool takes a field's whole list in one call."""
    field = get_tool(tool).request.model_fields.get(name)
    return field is not None and "list" in str(field.annotation)


def _lists(brief: Brief) -> dict[str, list[Any]]:
    return {name: value for name, value in brief.stated().items() if name in _COMPARED and isinstance(value, list) and len(value) > 1}


def _of_one_length(brief: Brief) -> list[tuple[str, str]]:
    lists = _lists(brief)
    return [(one, two) for one, two in itertools.combinations(lists, 2) if len(lists[one]) == len(lists[two])]


def _groups(brief: Brief, compared: dict[str, list[Any]]) -> list[list[str]]:
    """The compared fields in groups: those of a group vary together, the groups with each other."""
    pairs = _pairs(brief, compared)
    groups: list[list[str]] = []
    for name in compared:
        home = next((group for group in groups if any({name, member} in pairs for member in group)), None)
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    return groups


def _pairs(brief: Brief, compared: dict[str, list[Any]]) -> list[set[str]]:
    decided = (brief.details or {}).get(PAIRED)
    pairs = [set(pair.split("+")) for pair in decided.split(",")] if isinstance(decided, str) else []
    if decided is None:
        parts = [name for name in _SET_UP if name in compared]
        alike = "n_accelerators" in parts and len({len(compared[name]) for name in parts}) == 1
        pairs = [set(pair) for pair in itertools.combinations(parts, 2)] if alike else []
    return [pair for pair in pairs if pair <= compared.keys() and len({len(compared[name]) for name in pair}) == 1]


def _named(fields: Sequence[str]) -> str:
    return " and ".join(name.replace("_", " ") for name in fields)
