"""Runs the checks of law cards: published or re-derived numbers that a card must reproduce."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import Check, LawCard
from tools.law import compute, resolve_variant
from tools.law_names import find_inputs, find_output, find_relation, find_variant, variant_in_words

DEFAULT_REL_TOL = 1e-3  # where a check states no tolerance: the rounding of a number printed to four digits


@dataclass(frozen=True)
class CheckOutcome:
    """What became of one check. `error` is got/expected - 1 (or the difference where 0 is expected); `problem` says
    why a check could not be evaluated, which counts as failed."""

    law: str
    area: str
    relation: str
    variant: str
    given: dict[str, Any]
    expected: dict[str, float]
    got: dict[str, float] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    rel_tol: float | None = None
    abs_tol: float | None = None
    passed: bool = False
    problem: str = ""
    source: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data, with `pass` for whether it passed."""
        plain = asdict(self)
        return {"pass": plain.pop("passed"), **plain}


def run_check(card: LawCard, check: Check) -> CheckOutcome:
    """Evaluate one check; never raises for a check that cannot be evaluated, but reports it as failed."""
    base: dict[str, Any] = {
        "law": card.id,
        "area": card.area,
        "relation": check.relation,
        "variant": check.variant or "",
        "given": dict(check.given),
        "expected": dict(check.expect),
        "rel_tol": check.rel_tol,
        "abs_tol": check.abs_tol,
        "source": check.source,
    }
    try:
        relation = find_relation(card, check.relation)
        variant = find_variant(card, relation, check.variant)
        inputs, replaced = find_inputs(card, relation, check.given)
        names = {name: find_output(card, relation, name) for name in check.expect}
        outputs = compute(card, relation, inputs, variant, replaced)
        got = {name: _number(card, relation, key, outputs[key]) for name, key in names.items()}
        base |= {"relation": relation, "variant": resolve_variant(card, relation, variant) or ""}
    except InputError as error:
        return CheckOutcome(**base, problem=str(error))
    errors = {name: _error(got[name], expected) for name, expected in check.expect.items()}
    passed = bool(check.expect) and all(_close(got[name], expected, check) for name, expected in check.expect.items())
    return CheckOutcome(**base, got=got, error=errors, passed=passed, problem="" if check.expect else "the check expects nothing")


def _number(card: LawCard, relation: str, name: str, value: Any) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise InputError(name, f"{card.id} {relation} gives {array.tolist()!r:.60} here, not one number")
    return float(array.reshape(()))


def _error(got: float, expected: float) -> float:
    return got / expected - 1 if expected else got


def _close(got: float, expected: float, check: Check) -> bool:
    if check.rel_tol is None and check.abs_tol is None:
        return math.isclose(got, expected, rel_tol=DEFAULT_REL_TOL)
    return math.isclose(got, expected, rel_tol=check.rel_tol or 0.0, abs_tol=check.abs_tol or 0.0)


def run_checks(cards: Iterable[LawCard]) -> Iterator[CheckOutcome]:
    """Every check of every card, in order."""
    return (run_check(card, check) for card in cards for check in card.checks)


def extra_checks(data: Any, law: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Checks of a user's file as (law id, fields): a list that names its laws, a mapping of law id to checks, or
    `{checks: [...]}`; `law` is the id for checks that name none. InputError where the shape is none of these."""
    if isinstance(data, Mapping) and isinstance(data.get("checks"), list):
        law, data = data.get("law") or data.get("id") or law, data["checks"]
    if isinstance(data, list):
        return [_named(entry, i, law) for i, entry in enumerate(data)]
    if isinstance(data, Mapping) and data and all(isinstance(entries, list) for entries in data.values()):
        return [_named(entry, i, str(key)) for key, entries in data.items() for i, entry in enumerate(entries)]
    raise InputError(
        "checks",
        "holds no checks",
        "a list of {law, relation, variant, given, expect, rel_tol, source}, or a mapping of law id to such a list",
    )


def _named(entry: Any, index: int, law: str | None) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, Mapping):
        raise InputError("checks", f"entry {index + 1} is no mapping", "expected law, relation, given, expect")
    fields = {str(key): value for key, value in entry.items()}
    named = fields.pop("law", None) or fields.pop("id", None) or fields.pop("card", None) or law
    if not named:
        raise InputError("checks", f"entry {index + 1} names no law", "add `law: ID` or name the law on the command line")
    return str(named), fields


def run_extra_check(book: LawBook, law: str, fields: Mapping[str, Any]) -> CheckOutcome:
    """Run one check of a user's file; whatever is wrong with it is the outcome's `problem`."""
    shown = CheckOutcome(
        law,
        "",
        _text(fields, "relation"),
        _text(fields, "variant"),
        given=_mapping(fields, "given"),
        expected=_mapping(fields, "expect"),
        source=_text(fields, "source"),
    )
    try:
        card = book.get(law)
        shown = replace(shown, area=card.area)
        known = {key: _numeric(fields[key]) for key in ("given", "expect", "rel_tol", "abs_tol") if fields.get(key) is not None}
        rest, named = variant_in_words(card, _mapping(known, "given"))
        variant = shown.variant or named or ""
        known |= {"given": rest} if isinstance(known.get("given"), Mapping) else {}
        relation = shown.relation or _only_relation(card, rest, shown.expected, variant)
        check = Check.model_validate({"source": shown.source, "variant": variant or None, **known, "relation": relation})
    except ValidationError as error:
        first = error.errors()[0]
        return replace(shown, problem=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
    except InputError as error:
        return replace(shown, problem=str(error))
    return run_check(card, check)


def _text(fields: Mapping[str, Any], key: str) -> str:
    return str(fields.get(key) or "")


def _mapping(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key)
    return {str(name): entry for name, entry in value.items()} if isinstance(value, Mapping) else {}


def _numeric(value: Any) -> Any:
    # YAML 1.1 reads 1e22 (no dot, no sign) as text.
    if isinstance(value, Mapping):
        return {key: _numeric(entry) for key, entry in value.items()}
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _only_relation(card: LawCard, given: Mapping[str, Any], expected: Mapping[str, Any], variant: str = "") -> str:
    """The relation a check without one means: all its names fit, the variant is its own, fewer coefficients are replaced and
    fewer inputs left to their defaults than by any other; where several are left, one that gives what the others give too."""
    costs = {name: cost for name in card.relations if (cost := _fits(card, name, given, expected, variant)) is not None}
    fitting = [name for name, cost in costs.items() if cost == min(costs.values())]
    if len(fitting) > 1 and _agree(card, fitting, given, expected, variant):
        return fitting[0]
    if len(fitting) != 1:
        problem = f"several fit: {', '.join(fitting)}" if fitting else "none fits"
        raise InputError("relation", f"names no relation, and {problem}", f"{card.id} has {', '.join(card.relations) or 'none'}")
    return fitting[0]


def _fits(card: LawCard, relation: str, given: Mapping[str, Any], expected: Mapping[str, Any], variant: str) -> tuple[int, int] | None:
    """(coefficients the check would replace in a relation, inputs it leaves to their defaults), or nothing where its names do not fit."""
    try:
        inputs, coefficients = find_inputs(card, relation, given)
        for name in expected:
            find_output(card, relation, name)
        if variant:
            find_variant(card, relation, variant)
    except InputError:
        return None
    known = card.relations[relation].inputs
    complete = all(name in inputs or var.default is not None for name, var in known.items())
    return (len(coefficients), len(known) - len(inputs)) if complete else None


def _agree(card: LawCard, relations: list[str], given: Mapping[str, Any], expected: Mapping[str, Any], variant: str) -> bool:
    """Whether relations give the same numbers for what a check expects."""
    outcomes = [
        run_check(card, Check(relation=name, variant=variant or None, given=dict(given), expect=dict(expected), source="")).got
        for name in relations
    ]
    return all(got and math.isclose(got[name], outcomes[0].get(name, math.nan), rel_tol=1e-9) for got in outcomes for name in expected)
