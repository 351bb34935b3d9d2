"""A set-up of the past beside the one asked about: where both state a size or hardware, the whole bundle of the past is left out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.understand.names import Name
from agent.understand.slots import Slot

_DONE = re.compile(
    r"(?:\b(?:we|i|they|he|she|it|which|team|run|model|training|job|experiment|version|\d+(?:\.\d+)?\s?[bm])\s+(?:had |have |has |was |were )?(?:already |once |then |previously )?"
    r"(?:trained|pretrained|pre-trained|used|ran|took|cost|needed|finished|spent|consumed|rented|required)\b)"
    r"|\b(?:we|i|they) had (?:a |the |some |about )?\d|\btook (?:us |me |them )?(?:about |around |roughly |only )?\d"
    r"|\b(?:wir|ich) haben?\b[^.?!]{0,200}\b(?:trainiert|gebraucht|verwendet)\b|\b(?:nous avons|on a) entraîné\b|\b(?:entrenamos|hemos entrenado)\b"
)
_ASKED = re.compile(
    r"\?|\b(?:what|how|which|when|will|would|can|could|should|shall|now|today|next|plan|want|need|going to|estimate|predict|compute|tell|wie|was|welche\w*|combien|quel\w*|cuánt\w*|qué)\b"
)
_ASKS_SIZE = re.compile(
    r"\b(?:what|which|best|optimal)\b[^.?!]{0,20}\bsize\b|\bhow (?:big|large)\b|\bwelche größe\b|\bquelle taille\b|\bqué tamaño\b"
)
_CLAUSE_END = re.compile(r"[.?!](?=\s|$)|;|\n|,?\s+(?=(?:and |but |so )?(?:now|how|what|which|when)\b)|,\s+(?=but\b)")
_MODEL = frozenset({"params_total", "params_active", "tokens", "tokens_per_param"})
_RUN = frozenset({"duration_seconds", "accelerator_hours", "price_per_accelerator_hour_usd", "budget_usd", "compute_flops"})
_DEVICES = frozenset({"n_accelerators", "accelerator"})


@dataclass(frozen=True, slots=True)
class _Clause:
    start: int
    end: int
    past: bool
    fields: frozenset[str]


def _clauses(text: str, stated: list[tuple[int, str]]) -> list[_Clause]:
    ends = [0, *(match.end() for match in _CLAUSE_END.finditer(text)), len(text)]
    found: list[_Clause] = []
    for start, end in itertools.pairwise(ends):
        part = text[start:end]
        fields = frozenset(name for place, name in stated if start <= place < end)
        found.append(_Clause(start, end, bool(_DONE.search(part)) and not _ASKED.search(part), fields))
    return found


def left_out(text: str, slots: Iterable[Slot], named: Iterable[Name]) -> list[tuple[int, int, frozenset[str]]]:
    """(start, end, fields) of the clauses told of the past whose fields the asked clauses state anew.

    A size stated anew takes with it the data, time, hours and money of the run before, and its devices where others are named;
    devices stated anew take only time, hours and money, for the model may still be the one of the past.
    """
    if not _DONE.search(text):
        return []
    stated = [(slot.measure.start, slot.field) for slot in slots if not slot.discounted]
    stated += [
        (name.start, {"accelerator": "accelerator", "unknown": "accelerator", "model": "params_total"}.get(name.kind, "")) for name in named
    ]
    clauses = _clauses(text, stated)
    now = frozenset[str]().union(*(clause.fields for clause in clauses if not clause.past))
    gone: list[tuple[int, int, frozenset[str]]] = []
    for clause in clauses:
        if clause.past:
            devices = _DEVICES if _DEVICES & now & clause.fields else frozenset[str]()
            sized = {"params_total", "params_active"} & now or (devices and _ASKS_SIZE.search(text))
            if sized and clause.fields & (_MODEL | _RUN):
                gone.append((clause.start, clause.end, _MODEL | _RUN | devices))
            elif devices:
                gone.append((clause.start, clause.end, _RUN | devices))
    return gone


__all__ = ["left_out"]
