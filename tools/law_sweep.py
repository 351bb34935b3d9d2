"""One relation of a law drawn along one of its inputs, over the range it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.schema import LawCard, Relation
from tools.law import compute, resolve_variant

_POINTS = 41


@dataclass(frozen=True)
class Sweep:
    """An output against an input; `fixed` are the other inputs. Units are those of the card."""

    relation: str
    variant: str
    input: str
    output: str
    x: list[float]
    y: list[float]
    fixed: dict[str, Any]


def sweeps(card: LawCard) -> list[Sweep]:
    """A sweep of each relation that can be drawn: along its first input with a fitted range, the rest as in one of its checks."""
    return [found for name in card.relations if (found := sweep(card, name)) is not None]


def sweep(card: LawCard, relation: str, points: int = _POINTS) -> Sweep | None:
    """The first output of a relation along its first input with a closed region; nothing where it cannot be drawn."""
    rel = card.relations[relation]
    try:
        variant = resolve_variant(card, relation)
    except InputError:
        return None
    region = {**card.region, **(card.variants[variant].region if variant else {}), **rel.region}
    ranges = {name: bounds for name in rel.inputs if (bounds := _closed(region.get(name))) is not None}
    if not ranges:
        return None
    axis = next(iter(ranges))
    fixed = _others(card, relation, rel, axis, ranges)
    if fixed is None:
        return None
    low, high = ranges[axis]
    x = np.geomspace(low, high, points) if low > 0 else np.linspace(low, high, points)
    output = next(iter(rel.outputs))
    try:
        y = np.asarray(compute(card, relation, {**fixed, axis: x}, variant)[output])
    except (InputError, ValueError):
        return None  # a form over lists, or coefficients that are not published
    if y.shape != x.shape or y.dtype.kind not in "fiu" or not np.isfinite(y.astype(float)).all():
        return None
    return Sweep(relation, variant or "", axis, output, [float(v) for v in x], [float(v) for v in y], fixed)


def _closed(bounds: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
    if bounds is None or bounds[0] is None or bounds[1] is None or bounds[0] >= bounds[1]:
        return None
    return bounds[0], bounds[1]


def _others(card: LawCard, relation: str, rel: Relation, axis: str, ranges: dict[str, tuple[float, float]]) -> dict[str, Any] | None:
    """Values of the inputs off the axis: a check's, a default, or the middle of the fitted range; nothing where one has none."""
    given = next((check.given for check in card.checks if check.relation == relation and set(check.given) <= set(rel.inputs)), {})
    found: dict[str, Any] = {}
    for name, var in rel.inputs.items():
        if name == axis:
            continue
        if name in given:
            found[name] = given[name]
        elif var.default is not None:
            found[name] = var.default
        elif name in ranges:
            low, high = ranges[name]
            found[name] = float(np.sqrt(low * high)) if low > 0 else (low + high) / 2
        else:
            return None
    return found
