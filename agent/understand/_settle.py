"""Which quantity a field holds: one value, or a list where values stand side by side as a comparison."""

from __future__ import annotations

import re

from agent.understand._filled import Filled
from agent.understand.slots import Slot

_EXPERTS = re.compile(r"expert|moe|mixture|routed|top[ -]?k|activ|专家|エキスパート")
_WH = re.compile(
    r"\b(?:what|how|which|when|can|could|should|would|will|predict|expect|extrapolate|forecast|project|estimate|wie|was|welche\w*|combien|quel\w*|cuánt\w*|qué)\b"
)
_DATA_LEAD = frozenset(
    {
        "on",
        "for",
        "with",
        "at",
        "@",
        "/",
        ",",
        "over",
        "after",
        "through",
        "seeing",
        "saw",
        "and",
        "+",
        "&",
        "auf",
        "mit",
        "sur",
        "avec",
        "con",
        "about",
        "around",
        "only",
        "x",
        "×",
        "|",
        "-",
    }
)
_ASSIGNED = re.compile(r"(?<![\w])(?P<name>n|d|c)\s*=\s*$")
_LETTER = {"n": "params_total", "d": "tokens", "c": "compute_flops"}


def settle(filled: Filled) -> None:
    """One value a field, or a list when values stand side by side as a comparison."""
    fields: dict[str, list[Slot]] = {}
    for slot in filled.slots:
        before = filled.text[max(0, slot.measure.start - 8) : slot.measure.start]
        letter = _ASSIGNED.search(before)
        if letter and slot.measure.dim in ("plain", "params", "tokens", "flop") and slot.measure.value >= 1e4:
            slot.field, slot.score = _LETTER[letter["name"]], 2.0
        if slot.field == "compute_flops" and slot.measure.dim == "plain" and slot.measure.value < 1e12:
            continue
        if slot.field != "none" and not slot.discounted and not slot.measure.euro:
            fields.setdefault(slot.field, []).append(slot)
    _beside_dense(filled, fields)
    _balance(filled, fields)
    _lone_size(filled, fields)
    if not _EXPERTS.search(filled.text):
        fields = {name: slots for name, slots in fields.items() if name not in ("n_experts", "experts_per_token")}
    for name, slots in fields.items():
        chosen = _choose(filled, slots)
        values = list(dict.fromkeys(slot.measure.value for slot in chosen))
        filled.values[name] = values[0] if len(values) == 1 else values
        filled.confidence[name] = min(slot.confidence for slot in chosen)
        filled.spans += [(slot.measure.start, slot.measure.end, name) for slot in chosen]


def _beside_dense(filled: Filled, fields: dict[str, list[Slot]]) -> None:
    """The size of the dense model a mixture of experts is held against is not the size asked about."""
    sizes = fields.get("params_total", [])
    if "params_active" not in fields or not _EXPERTS.search(filled.text):
        return
    other = [
        slot
        for slot in sizes
        if _DENSE_BEFORE.search(filled.text, max(0, slot.measure.start - 24), slot.measure.start)
        or filled.text.startswith((" dense", "-dense"), slot.measure.end)
    ]
    if other:
        fields["params_total"] = [slot for slot in sizes if slot not in other]
        if not fields["params_total"]:
            del fields["params_total"]


_DENSE_BEFORE = re.compile(r"\bdense (?:model )?(?:of |with )?$")


def _balance(filled: Filled, fields: dict[str, list[Slot]]) -> None:
    """Two bare sizes and no tokens: the larger, later one is the data ("7B on 140B")."""
    params = fields.get("params_total", [])
    earlier = [slot for slot in params if _BEFORE.search(_sentence(filled, slot))]
    if earlier and len(earlier) < len(params):  # "the rate was 3e-4 for 1B. What should it be for 8B?"
        params = fields["params_total"] = [slot for slot in params if slot not in earlier]
        return
    loose = [slot for slot in params if slot.measure.dim == "plain" and slot.runner_up[0] == "tokens"]
    if "tokens" not in fields and len({slot.group for slot in params}) > 1 and loose:
        last = max(loose, key=lambda slot: (slot.measure.value, slot.measure.first))
        before = filled.place.atoms[last.measure.first - 1].text if last.measure.first else ""
        least = min(slot.measure.value for slot in params)
        if last.measure.value >= max(5 * least, 1e9) and least >= 1e6 and (before in _DATA_LEAD or last.measure.value >= 100 * least):
            group = [slot for slot in params if slot.group == last.group]
            fields["params_total"] = [slot for slot in params if slot.group != last.group]
            fields["tokens"] = group
            for slot in group:
                slot.field, slot.runner_up, slot.score = "tokens", ("params_total", slot.score - 0.1), slot.score


_BEFORE = re.compile(r"\b(?:was|were|used|worked|tuned|had)\b")


def _sentence(filled: Filled, slot: Slot) -> str:
    """The sentence of a quantity, where another follows; empty for one that asks."""
    number = filled.place.sentence[slot.measure.first]
    atoms = [atom for atom, own in zip(filled.place.atoms, filled.place.sentence, strict=True) if own == number]
    text = filled.text[atoms[0].start : atoms[-1].end]
    return "" if "?" in filled.text[atoms[-1].end : atoms[-1].end + 2] else text


def _lone_size(filled: Filled, fields: dict[str, list[Slot]]) -> None:
    """A bare "on 6.7B" with nothing else that could be the model is the model, unless something was trained on it."""
    tokens = fields.get("tokens", [])
    if (
        "params_total" in fields
        or "params_active" in fields
        or len(tokens) != 1
        or tokens[0].measure.dim != "plain"
        or "unique_tokens" in fields
        or any(n.kind == "model" for n in filled.spotted)
    ):
        return
    before = filled.text[max(0, tokens[0].measure.start - 24) : tokens[0].measure.start]
    if tokens[0].measure.value <= 8e11 and not re.search(
        r"(?:train|see|saw|data|corpus|tok)\w*(?: \w+)? (?:on|over|with|for|after|through) (?:\w+ )?$", before
    ):
        fields["params_total"] = fields.pop("tokens")
        fields["params_total"][0].field = "params_total"


def _choose(filled: Filled, slots: list[Slot]) -> list[Slot]:
    if len(slots) == 1:
        return slots
    groups: dict[int, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.group, []).append(slot)
    best = max(
        groups.values(), key=lambda group: (round(max(s.score for s in group), 1), _asked(filled, group[0]), -group[0].measure.first)
    )
    if len(best) > 1:
        return best
    rivals = [slot for slot in slots if slot is not best[0] and _compared(filled, best[0], slot)]
    return sorted([best[0], *rivals], key=lambda slot: slot.measure.first)


def _asked(filled: Filled, slot: Slot) -> bool:
    """Whether a quantity stands in the part of a sentence that asks."""
    before = max(filled.text.rfind(mark, 0, slot.measure.start) for mark in (", ", ". ", "; ", "? ", "\n", ": "))
    stop = re.search(r"[.,;!?\n](?!\d)", filled.text[slot.measure.end :])
    part = filled.text[before + 1 : slot.measure.end + (stop.start() if stop else 10_000)]
    return bool(_WH.search(part))


def _compared(filled: Filled, one: Slot, two: Slot) -> bool:
    low, high = sorted((one.measure, two.measure), key=lambda m: m.first)
    words = {atom.text for atom in filled.place.atoms[low.after : high.first]}
    if high.first - low.after > 7 or words & {".", "?", "!", ";"}:
        return False
    if one.field == two.field and {"and", "at"} <= words and len(words) <= 3:
        return True
    return bool(
        words
        & {
            "beat",
            "beats",
            "outperform",
            "outperforms",
            "match",
            "vs",
            "versus",
            "or",
            "against",
            "oder",
            "ou",
            "o",
            "还是",
            "compared",
            "gegen",
            "contre",
            "than",
        }
    )


__all__ = ["settle"]
