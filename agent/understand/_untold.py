"""What a message says that no field holds, told to the person: amounts left unused, and amounts too vague to be read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from agent.understand._lexicon import Language
from agent.understand._text import Atom
from agent.understand.quantities import Measure, terminal
from agent.understand.slots import Slot

# Small talk of amounts: with nothing but one of these behind it a vague word says how much of something that counts.
_COUNTED = frozenset({"TOK", "PAR", "ACC", "NODE", "CUR", "BYTE", "FLOP", "FLOPX", "TIME"})
_AGO = frozenset({"ago", "later", "earlier", "now", "back", "before", "vor", "antes", "plus"})
# Dimensions whose amounts matter wherever they stand; a bare number may be a chapter or a year.
_MATTER = frozenset(
    {
        "flop",
        "usd",
        "usd_per_hour",
        "usd_per_mtok",
        "usd_per_node_hour",
        "flop_rate",
        "acc",
        "acc_hours",
        "tokens",
        "step_tokens",
        "params",
        "bits",
        "bytes",
        "nats",
        "latency",
        "request_rate",
        "deducted",
    }
)


def vague(lang: Language, text: list[Atom]) -> list[tuple[int, int]]:
    """(start, end) in the text of phrases such as "a few billion tokens" and "lots of GPUs", which say no amount."""
    found: list[tuple[int, int]] = []
    for place in range(len(text)):
        at = _after_vague(lang, text, place)
        if (
            at is None
            or (place and text[place - 1].text in ("how", "so", "too", "as", "wie", "cuántos", "cuántas", "not", "very"))
            or (found and text[place].start < found[-1][1])
        ):
            continue
        while at < len(text) and at - place < 8:
            kind = terminal(lang, text, at)
            if kind is None and not (text[at].text in lang.adjectives or text[at].text in ("of", "de", "von", "the", "our", "-")):
                break
            if kind is not None and kind[0] in _COUNTED:
                if not (kind[0] == "TIME" and (kind[2] < len(text) and text[kind[2]].text in _AGO)):
                    found.append((text[place].start, text[kind[2] - 1].end))
                break
            if kind is not None and kind[0] not in ("SCALE", "HUNDRED", "WITH", "OF", "VAGUE"):
                break
            at = kind[2] if kind else at + 1
    return found


def _after_vague(lang: Language, text: list[Atom], place: int) -> int | None:
    """Where a vague word that starts at a place ends."""
    return next((end for end, (kind, _) in lang.terminals.all_at(text, place) if kind == "VAGUE"), None)


def unused(measures: Iterable[Measure], slots: Iterable[Slot], values: Mapping[str, Any], told: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(start, end) of stated amounts that no field holds and that the text does not take back."""
    held = [float(one) for value in [*values.values(), *told.values()] for one in _each(value)]
    explained = {slot.measure.first for slot in slots if slot.discounted or (slot.field == "none" and slot.measure.dim != "bytes")}
    return [
        (one.start, one.end)
        for one in measures
        if (one.dim in _MATTER or (one.dim == "plain" and abs(one.value) >= (1e5 if one.scaled else 1e6)))
        and not one.euro
        and one.first not in explained
        and not any(math.isclose(one.value, value, rel_tol=1e-9) for value in held)
    ]


def _each(value: Any) -> Iterable[Any]:
    return (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int | float))


__all__ = ["unused", "vague"]
