"""Evaluating a relation of a law: coefficients by variant, intervals from draws, flags from the fit region."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.schema import LawCard, Relation, Variant
from tools.convert import in_words
from tools.forms import Form, get_form
from tools.result import Value

INTERVAL_LEVEL = 0.9
N_DRAWS = 1000
_SEED = 20221129


@dataclass(frozen=True)
class Evaluation:
    """Outputs of one relation at one point, with everything needed to check them by hand."""

    law: str
    relation: str
    variant: str
    formula: str
    inputs: dict[str, float | list[float]]
    coefficients: dict[str, float | list[float]]
    values: dict[str, Value]
    outside: list[str] = field(default_factory=list)


def resolve_relation(card: LawCard, name: str) -> Relation:
    """A relation by name; raises InputError with the names there are."""
    if name not in card.relations:
        raise InputError("relation", f"{card.id} has no relation {name!r}", f"it has {', '.join(card.relations) or 'none (a finding)'}")
    return card.relations[name]


def resolve_variant(card: LawCard, relation: str, variant: str | None = None) -> str | None:
    """Key of the variant to use: by key, by the source's own label, or the default. A `recalled` one only when named."""
    allowed = card.variants_of(relation)
    if variant is not None:
        by_label = [key for key in allowed if variant in (key, card.variants[key].label)]
        if not by_label:
            raise InputError("variant", f"{card.id} {relation} has no variant {variant!r}", f"it has {', '.join(allowed) or 'none'}")
        return by_label[0]
    rel = card.relations[relation]
    usable = [key for key in allowed if card.variants[key].status != "recalled"]
    for key in (rel.default_variant, card.default_variant, *usable):
        if key in usable:
            return key
    if allowed:
        raise InputError(
            "variant",
            f"the coefficients of {card.id} {relation} are recalled from memory and not used by default",
            f"ask for one by name: {', '.join(allowed)}",
        )
    return None


def _arguments(form: Form, relation: Relation, variant: Variant | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    have: dict[str, Any] = {**relation.constants, **(variant.values if variant else {}), **inputs}
    args: dict[str, Any] = {}
    for name in (*form.inputs, *form.coefficients):
        on_card = relation.rename.get(name, name)
        if on_card in have:
            value = have[on_card]
            args[name] = np.asarray(value, float) if isinstance(value, list) else value
        elif name not in form.optional:
            raise InputError(on_card, f"missing for form {form.name}", f"formula: {form.formula}")
    return args


def _outputs(form: Form, relation: Relation, args: Mapping[str, Any]) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        raw = form.fn(**args)
    if not isinstance(raw, dict):
        return {next(iter(relation.outputs)): raw}
    named = {relation.rename.get(key, key): value for key, value in raw.items()}
    return {key: named[key] for key in relation.outputs}


def compute(
    card: LawCard, relation: str, inputs: Mapping[str, Any], variant: str | None = None, coefficients: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Raw arrays of a relation: inputs and coefficients broadcast. `coefficients` replaces those of the variant."""
    rel = resolve_relation(card, relation)
    key = resolve_variant(card, relation, variant)
    chosen = card.variants[key] if key else None
    if chosen is not None and coefficients:
        chosen = chosen.model_copy(update={"values": {**chosen.values, **coefficients}})
    form = get_form(rel.form)
    return _outputs(form, rel, _arguments(form, rel, chosen, complete_inputs(card, relation, inputs)))


def complete_inputs(card: LawCard, relation: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs by the relation's own names with its defaults; unknown and missing names are errors."""
    rel = resolve_relation(card, relation)
    known = rel.inputs
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        matches = [key for key in known if name == key] or [key for key, var in known.items() if name == var.quantity]
        if len(matches) != 1:
            raise InputError(
                name,
                f"{card.id} {relation} takes no input {name!r}",
                "it takes " + ", ".join(f"{key} ({var.quantity})" for key, var in known.items()),
            )
        given[matches[0]] = value
    for key, var in known.items():
        if key not in given and var.default is not None:
            given[key] = var.default
        if key not in given:
            raise InputError(key, f"{card.id} {relation} needs {key}", f"{var.quantity}, {var.unit or 'no unit'} {var.note}".strip())
    return given


def region_flags(card: LawCard, relation: str, variant: str | None, values: Mapping[str, Any]) -> list[str]:
    """Which variables (inputs and outputs alike) lie outside the region the law was fitted on, in words."""
    return [
        f"{_spoken(card, relation, name, value)} is {side} the fitted {_spoken(card, relation, name, bound).partition(' = ')[2]}"
        for name, value, bound, side in _outside(card, relation, variant, values)
    ]


_NAMES = {"N": "The size", "D": "The number of tokens", "C": "The compute"}


def far_outside(card: LawCard, relation: str, variant: str | None, values: Mapping[str, Any], factor: float = 1e3) -> str:
    """A sentence when a variable lies `factor` or more beyond the fitted region; empty otherwise."""
    found = [
        (max(value / bound, bound / value), name, side)
        for name, value, bound, side in _outside(card, relation, variant, values)
        if value > 0 and bound > 0
    ]
    if not found or max(found)[0] < factor:
        return ""
    times, name, side = max(found)
    return (
        f"{_NAMES.get(name, name)} lies {in_words(float(f'{times:.2g}'))} times {side} anything {card.id} was fitted on: "
        "a small error of an exponent is a large one here, and no interval covers it."
    )


def _outside(card: LawCard, relation: str, variant: str | None, values: Mapping[str, Any]) -> list[tuple[str, float, float, str]]:
    """(variable, value, bound passed, "below" or "above") for each variable outside the fit region."""
    region = {**card.region, **(card.variants[variant].region if variant else {}), **card.relations[relation].region}
    found: list[tuple[str, float, float, str]] = []
    for name, (low, high) in region.items():
        if name not in values or not isinstance(values[name], (int, float)):
            continue
        value = float(values[name])
        if low is not None and value < low * (1 - 1e-9):
            found.append((name, value, low, "below"))
        elif high is not None and value > high * (1 + 1e-9):
            found.append((name, value, high, "above"))
    return found


def _spoken(card: LawCard, relation: str, name: str, value: float) -> str:
    """`D = 184B`, `batch in sequences = 2,700`: a symbol as it is, a longer name by what it means."""
    rel = card.relations[relation]
    told = [v for r in (rel, *card.relations.values()) if (v := r.inputs.get(name) or r.outputs.get(name))]
    meaning = next((v.note for v in told if v.note), name) if "_" in name else name
    return f"{meaning} = {in_words(value, told[0].unit if told else '')}"


@functools.cache
def _draws_from_file(name: str) -> dict[str, np.ndarray]:
    text = (files("knowledge") / "draws" / name).read_text(encoding="utf8")
    rows = list(csv.reader(io.StringIO(text)))
    table = np.array(rows[1:], float)
    return {column: table[:, i] for i, column in enumerate(rows[0])}


def coefficient_draws(variant: Variant, n: int = N_DRAWS) -> tuple[dict[str, np.ndarray], str]:
    """Joint samples of a variant's coefficients and where they come from; empty when the source gives no joint spread.

    Standard errors alone are used only when a single coefficient has one: independent draws of correlated
    coefficients (A and alpha) would overstate the spread many times over.
    """
    if variant.draws_file:
        return {k: v[:n] for k, v in _draws_from_file(variant.draws_file).items()}, "bootstrap draws"
    if variant.draws is not None:
        table = np.array(variant.draws.rows, float)[:n]
        return {name: table[:, i] for i, name in enumerate(variant.draws.names)}, "bootstrap draws"
    rng = np.random.default_rng(_SEED)
    if variant.covariance is not None:
        cov = variant.covariance
        centre = [np.log(variant.values[c]) if c in cov.log else variant.values[c] for c in cov.names]
        sample = rng.multivariate_normal(np.array(centre, float), np.array(cov.matrix), n)
        return {c: np.exp(sample[:, i]) if c in cov.log else sample[:, i] for i, c in enumerate(cov.names)}, "published covariance"
    if len(variant.stderr) == 1:
        ((name, sd),) = variant.stderr.items()
        return {name: rng.normal(float(variant.values[name]), sd, n)} if name in variant.values else {}, "published standard error"  # pyright: ignore
    return {}, ""


def evaluate(
    card: LawCard, relation: str, inputs: Mapping[str, Any], variant: str | None = None, level: float = INTERVAL_LEVEL
) -> Evaluation:
    """Evaluate a relation at one point: values with unit, interval, formula, inputs, region flags and source.

    Raises InputError for an unknown relation, variant or input, a missing input, or a result that is not finite.
    """
    rel = resolve_relation(card, relation)
    key = resolve_variant(card, relation, variant)
    chosen = card.variants[key] if key else None
    given = complete_inputs(card, relation, inputs)
    outputs = compute(card, relation, given, key)
    plain = {name: _plain(value) for name, value in outputs.items()}
    outside = region_flags(card, relation, key, {**given, **plain})
    spread, basis = coefficient_draws(chosen) if chosen else ({}, "")
    bounds = _bounds(card, relation, given, key, spread, level) if spread else {}
    form = get_form(rel.form)
    note = "coefficients recalled from memory, not confirmed" if chosen and chosen.status == "recalled" else ""
    values = {
        name: Value(
            value=plain[name],
            unit=var.unit,
            quantity=var.quantity,
            label=var.note or card.symbols.get(name, name),
            law=card.id,
            relation=relation,
            variant=key or "",
            formula=form.formula,
            inputs=dict(given),
            outside=outside,
            note=note,
            source=f"{card.authors} {card.year}" + (f", arXiv:{card.arxiv}" if card.arxiv else ""),
            low=bounds[name][0] if name in bounds else None,
            high=bounds[name][1] if name in bounds else None,
            level=level if name in bounds else None,
            interval_basis=basis if name in bounds else "",
        )
        for name, var in rel.outputs.items()
    }
    used = {
        k: v
        for k, v in (chosen.values if chosen else {}).items()
        if k in {rel.rename.get(c, c) for c in (*form.coefficients, *form.inputs)}
    }
    return Evaluation(card.id, relation, key or "", form.formula, given, {**rel.constants, **used}, values, outside)  # pyright: ignore


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return str(array)
    return float(array) if array.ndim == 0 else array.tolist()


def _bounds(
    card: LawCard, relation: str, given: Mapping[str, Any], variant: str | None, spread: Mapping[str, np.ndarray], level: float
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for name, samples in compute(card, relation, given, variant, spread).items():
        array = np.asarray(samples)
        if array.ndim == 1 and array.dtype.kind == "f" and np.isfinite(array).mean() > 0.99:
            low, high = np.nanquantile(array, [(1 - level) / 2, (1 + level) / 2])
            found[name] = float(low), float(high)
    return found
