"""Every card loads, names forms that exist, reproduces its checks, and behaves inside its region."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import Any

import numpy as np
import pytest

from knowledge import InputError, LawBook, LawCard
from knowledge.schema import Relation, Variable
from tools.forms import get_form
from tools.law import compute, resolve_variant
from tools.law_checks import run_check

BOOK = LawBook()
IDS = BOOK.ids()


def _cards() -> dict[str, LawCard]:
    """Cards that load; those that do not fail their own test below, without hiding the rest."""
    found: dict[str, LawCard] = {}
    for law in IDS:
        with contextlib.suppress(InputError):
            found[law] = BOOK.get(law)
    return found


CARDS = _cards()
RELATIONS = [(law, name) for law, card in CARDS.items() for name in card.relations]

# Where neither a check nor a region nor a default says where a relation can be asked, a usual value of its kind.
USUAL = {
    "params_total": 1e9,
    "params_nonembedding": 1e9,
    "params": 1e9,
    "params_active": 1e9,
    "tokens": 1e11,
    "unique_tokens": 1e10,
    "flops": 1e21,
    "pf_days": 10.0,
    "nats_per_token": 2.5,
    "fraction": 0.3,
    "probability": 0.3,
    "accuracy": 0.6,
    "error_rate": 0.3,
    "bits": 4.0,
    "count": 8.0,
    "samples": 1e8,
    "steps": 1e4,
    "epochs": 4.0,
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "layers": 24.0,
    "width": 1024.0,
    "experts": 8.0,
    "tokens_per_param": 20.0,
    "tokens_per_step": 1e6,
    "vocab_size": 32000.0,
    "ratio": 2.0,
    "number": 2.0,
}


@pytest.mark.parametrize("law", IDS)
def test_a_card_loads_under_its_own_name(law: str) -> None:
    card = BOOK.get(law)
    assert card.id == law
    assert card.summary


@pytest.mark.parametrize(("law", "relation"), RELATIONS)
def test_the_form_of_a_relation_exists_and_its_arguments_match(law: str, relation: str) -> None:
    card = BOOK.get(law)
    rel = card.relations[relation]
    form = get_form(rel.form)
    taken = {rel.rename.get(name, name) for name in (*form.inputs, *form.coefficients)}
    assert set(rel.inputs) <= taken, f"inputs {set(rel.inputs) - taken} reach no argument of {form.name}"
    assert set(rel.constants) <= taken, f"constants {set(rel.constants) - taken} reach no argument of {form.name}"
    needed = {rel.rename.get(name, name) for name in (*form.inputs, *form.coefficients) if name not in form.optional}
    for key in card.variants_of(relation) or [None]:
        have = {*rel.inputs, *rel.constants, *(card.variants[key].values if key else {})}
        assert key is None or needed <= have, f"variant {key} lacks {needed - have}"
    assert {*rel.rises_with, *rel.falls_with} <= set(rel.inputs)


CHECKS = [(law, i) for law, card in CARDS.items() for i in range(len(card.checks))]


@pytest.mark.parametrize(("law", "index"), CHECKS)
def test_a_check_passes(law: str, index: int) -> None:
    card = BOOK.get(law)
    outcome = run_check(card, card.checks[index])
    assert outcome.passed, f"{outcome.relation} {outcome.given}: {outcome.problem or outcome.got} for {outcome.expected}"


def _uses_coefficients(card: LawCard) -> bool:
    return any(run_check(card, check).variant for check in card.checks)


CHECKED_VARIANTS = [law for law, card in CARDS.items() if _uses_coefficients(card)]


@pytest.mark.parametrize("law", CHECKED_VARIANTS)
def test_a_planted_wrong_coefficient_is_caught(law: str) -> None:
    """For each law whose checks rest on coefficients, some coefficient changed by a half must break one of them."""
    card = BOOK.get(law)
    assert any(
        not run_check(_planted(card, key, name), check).passed
        for check in card.checks
        for key in card.variants
        for name in card.variants[key].values
    )


def _planted(card: LawCard, key: str, name: str) -> LawCard:
    right = card.variants[key]
    value = right.values[name]
    wrong = [entry * 1.5 + 0.1 for entry in value] if isinstance(value, list) else value * 1.5 + 0.1
    return card.model_copy(update={"variants": {**card.variants, key: right.model_copy(update={"values": {**right.values, name: wrong}})}})


# ---------------------------------------------------------------- properties inside the region


def _region(card: LawCard, rel: Relation, variant: str | None) -> dict[str, tuple[float | None, float | None]]:
    return {**card.region, **(card.variants[variant].region if variant else {}), **rel.region}


def _evaluable(card: LawCard, relation: str) -> str | bool | None:
    """Variant to test with, or False when the relation is a form without coefficients."""
    allowed = card.variants_of(relation)
    if allowed:
        usable = [key for key in allowed if card.variants[key].status != "recalled"]
        return resolve_variant(card, relation) if usable else allowed[0]
    rel = card.relations[relation]
    form = get_form(rel.form)
    needed = {rel.rename.get(name, name) for name in (*form.inputs, *form.coefficients) if name not in form.optional}
    return None if needed <= {*rel.inputs, *rel.constants} else False


def _base(card: LawCard, relation: str) -> dict[str, Any]:
    """One point where the relation can be asked: a check's, else the middle of its region, its defaults or a usual value."""
    rel = card.relations[relation]
    point = {name: _middle(_region(card, rel, None).get(name), var) for name, var in rel.inputs.items()}
    for check in card.checks:
        if check.relation == relation and set(check.given) <= set(rel.inputs):
            return {**point, **check.given}
    return point


def _middle(bounds: tuple[float | None, float | None] | None, var: Variable) -> float:
    if var.default is not None:
        return var.default
    low, high = bounds or (None, None)
    if low is not None and high is not None:
        return float(np.sqrt(low * high)) if low > 0 else (low + high) / 2
    return low if low is not None else high if high is not None else USUAL.get(var.quantity, 1.0)


def _sweep(bounds: tuple[float | None, float | None] | None, at: float) -> np.ndarray:
    low, high = bounds or (None, None)
    low = low if low is not None else (at if high is None else min(at, high))
    high = high if high is not None else max(at, low)
    return np.geomspace(low, high, 7) if low > 0 else np.linspace(low, high, 7)


# Inputs over whose entries a form sums say so in their note: their arrays are one point, not many.
_TAKES_A_LIST = re.compile(r"\b(list|each|one a)\b")


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize(("law", "relation"), RELATIONS)
def test_inside_the_region_values_are_finite_and_monotone_and_arrays_equal_scalars(law: str, relation: str) -> None:
    card = BOOK.get(law)
    rel = card.relations[relation]
    variant = _evaluable(card, relation)
    if variant is False:
        assert card.kind in ("form", "rule", "finding") or card.missing, "a numeric law without coefficients must say what is missing"
        return
    assert not isinstance(variant, bool)
    base = _base(card, relation)
    form = get_form(rel.form)
    for name, value in compute(card, relation, base, variant).items():
        assert np.asarray(value).dtype.kind in "US" or not np.isnan(np.asarray(value, float)).any(), f"{name} is NaN at {base}"
    may_be_infinite = "infinit" in f"{form.formula} {form.fn.__doc__} {rel.note}"
    for name, var in rel.inputs.items():
        if not _numeric(base[name]) or var.quantity == "choice" or _TAKES_A_LIST.search(var.note):
            continue
        xs = _sweep(_region(card, rel, variant).get(name), float(base[name]))
        arrays = compute(card, relation, {**base, name: xs}, variant)
        for key, values in arrays.items():
            array = np.broadcast_to(np.asarray(values), xs.shape) if np.ndim(values) < 2 else np.asarray(values)
            singles = [compute(card, relation, {**base, name: float(x)}, variant)[key] for x in xs]
            if array.dtype.kind in "US":
                assert [str(one) for one in singles] == [str(one) for one in array]
                continue
            assert not np.isnan(array.astype(float)).any(), f"{key} is NaN for {name} in {xs}"
            assert may_be_infinite or np.isfinite(array.astype(float)).all(), f"{key} is infinite for {name} in {xs}"
            if array.shape == xs.shape and all(np.ndim(one) == 0 for one in singles):
                np.testing.assert_allclose(array.astype(float), np.array(singles, float), rtol=1e-9, err_msg=f"{key} against {name}")
        _assert_monotone(rel, name, xs, next(iter(arrays.values())))


def _assert_monotone(rel: Relation, name: str, xs: np.ndarray, values: Any) -> None:
    array = np.broadcast_to(np.asarray(values), xs.shape)
    for earlier, later in itertools.pairwise(array):
        slack = 1e-9 * abs(float(earlier)) if np.isfinite(float(earlier)) else 0.0
        assert name not in rel.rises_with or later >= earlier - slack, f"falls with {name}: {array}"
        assert name not in rel.falls_with or later <= earlier + slack, f"rises with {name}: {array}"
