"""Several laws along one axis: what each gives at the same points, leaving out what cannot be compared and saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.quantities import QUANTITIES
from knowledge.schema import LawCard, Relation, Variable
from tools.law import complete_inputs, compute, region_flags, resolve_variant
from tools.law_names import find_inputs, find_relation

DEFAULT_AXES: dict[str, tuple[str, float, float]] = {"optimum": ("C", 1e20, 1e24), "loss": ("N", 1e8, 1e11)}
TOKENS_PER_PARAM = 20.0  # tokens of a loss comparison that states none


@dataclass(frozen=True)
class Series:
    """One output of one law along the axis. `outside` counts the points outside the fit; `quantity` says what is counted."""

    law: str
    variant: str
    output: str
    quantity: str
    unit: str
    corpus: str
    values: list[float]
    outside: int


@dataclass
class Comparison:
    """Laws along an axis; `skipped` says why a law is missing, `notes` what was filled in."""

    relation: str
    axis: str
    points: list[float]
    series: list[Series] = field(default_factory=list[Series])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])


def common_relation(cards: Sequence[LawCard]) -> str:
    """`optimum` or `loss`, whichever more of the laws have; InputError when none has either."""
    counts = {name: sum(_has(card, name) for card in cards) for name in ("optimum", "loss")}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        raise InputError("law", "none of these laws has an optimum or a loss", "name another relation with --relation")
    return best


def _has(card: LawCard, relation: str) -> bool:
    try:
        find_relation(card, relation)
    except InputError:
        return False
    return True


def compare(cards: Sequence[LawCard], relation: str, axis: str, points: Sequence[float], fixed: Mapping[str, float]) -> Comparison:
    """Evaluate a relation of each law at the points; a law is skipped, with the reason, where it cannot be asked or compared.

    Losses and scores only compare on one corpus and in one unit: those of the first law that has the relation.
    """
    found = Comparison(relation, axis, [float(point) for point in points])
    kind = axis_kind(cards, relation, axis)
    for card in cards:
        try:
            series = _series_of(card, relation, axis, kind, found.points, fixed, found.notes)
        except InputError as error:
            found.skipped[card.id] = str(error)
            continue
        clash = _clash(series, found.series)
        kept = [one for one in series if not clash or one.output not in clash]
        if clash:
            found.skipped[card.id if not kept else f"{card.id} ({', '.join(clash)})"] = "; ".join(dict.fromkeys(clash.values()))
        found.series += kept
    return found


def axis_kind(cards: Sequence[LawCard], relation: str, axis: str) -> str:
    """Kind of quantity the axis measures: that of the first law that takes it. InputError when none does."""
    for card in cards:
        if _has(card, relation) and _takes(card, find_relation(card, relation), axis):
            name = find_relation(card, relation)
            return card.relations[name].inputs[next(iter(find_inputs(card, name, {axis: 1.0})[0]))].quantity
    raise InputError("axis", f"none of these laws takes {axis!r} in {relation}", "see `flopwise law show ID` for the inputs")


def _axis_of(card: LawCard, relation: str, axis: str, kind: str) -> tuple[str, float]:
    """The input of a relation that the axis runs along, and the factor to its unit; a same name of another unit is refused."""
    for name in (kind, axis):
        if _takes(card, relation, name):
            ((key, factor),) = find_inputs(card, relation, {name: 1.0})[0].items()
            var = card.relations[relation].inputs[key]
            if factor != 1.0 or var.unit == QUANTITIES[kind][0]:
                return key, float(factor)
    raise InputError(axis, f"{card.id} {relation} takes no {kind}", "in another unit the points would not be the same")


def _series_of(
    card: LawCard, relation: str, axis: str, kind: str, points: list[float], fixed: Mapping[str, float], notes: list[str]
) -> list[Series]:
    name = find_relation(card, relation)
    rel = card.relations[name]
    variant = resolve_variant(card, name)
    at, scale = _axis_of(card, name, axis, kind)
    known = {key: value for key, value in fixed.items() if _takes(card, name, key)}
    given: dict[str, Any] = {**find_inputs(card, name, known)[0], at: scale * np.asarray(points)}
    tokens = _tokens_left(rel, given)
    if tokens is not None:
        given[tokens] = TOKENS_PER_PARAM * np.asarray(points)
        note = f"tokens: {TOKENS_PER_PARAM:g} per parameter, where not stated"
        notes += [note] if note not in notes else []
    outputs = compute(card, name, complete_inputs(card, name, given), variant)
    return [_series(card, name, variant, key, var, outputs[key], given) for key, var in _shown(rel).items()]


def _takes(card: LawCard, relation: str, name: str) -> bool:
    try:
        return bool(find_inputs(card, relation, {name: 1.0})[0])
    except InputError:
        return False


def _tokens_left(rel: Relation, given: Mapping[str, Any]) -> str | None:
    open_inputs = [key for key, var in rel.inputs.items() if key not in given and var.default is None and var.quantity == "tokens"]
    by_params = any(rel.inputs[key].quantity.startswith("params") for key in given)
    return open_inputs[0] if by_params and len(open_inputs) == 1 else None


def _shown(rel: Relation) -> dict[str, Variable]:
    """The first output and whatever else counts params, tokens or a loss."""
    first = next(iter(rel.outputs))
    return {key: var for key, var in rel.outputs.items() if key == first or var.corpus or group_of(var.quantity) != var.quantity}


def group_of(quantity: str) -> str:
    """Quantities that stand side by side in a comparison: all counts of params, all counts of tokens, each other kind by itself."""
    return "params" if quantity.startswith("params") else "training tokens" if quantity in ("tokens", "unique_tokens") else quantity


def _series(card: LawCard, relation: str, variant: str | None, key: str, var: Variable, values: Any, given: Mapping[str, Any]) -> Series:
    count = max(np.size(value) for value in given.values())
    numbers = [float(value) for value in np.broadcast_to(np.asarray(values, float), (count,))]
    outside = sum(bool(region_flags(card, relation, variant, _at(given, i))) for i in range(len(numbers)))
    return Series(card.id, variant or "", key, var.quantity, var.unit, var.corpus, numbers, outside)


def _at(given: Mapping[str, Any], i: int) -> dict[str, float]:
    return {key: float(np.atleast_1d(np.asarray(value, float))[min(i, np.size(value) - 1)]) for key, value in given.items()}


def _clash(series: list[Series], earlier: list[Series]) -> dict[str, str]:
    """Outputs that cannot stand beside an earlier law's loss or score, with the reason."""
    measured = next((one for one in earlier if one.corpus), None)
    clashes: dict[str, str] = {}
    for one in series:
        if measured is not None and one.corpus and (one.corpus, one.unit) != (measured.corpus, measured.unit):
            clashes[one.output] = (
                f"its {one.output} is {one.unit or one.quantity} on {one.corpus}, that of {measured.law}"
                f" {measured.unit or measured.quantity} on {measured.corpus}: such numbers do not compare"
            )
    return clashes
