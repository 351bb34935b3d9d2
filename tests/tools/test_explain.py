"""What `explain` must say of a law: formula, coefficients with spread and status, fitted range, findings, caveats."""

from __future__ import annotations

import pytest

from knowledge import InputError, LawBook, MissingInput
from tools.registry import call
from tools.result import Result, Table

BOOK = LawBook()


def _table(result: Result, name: str) -> Table:
    return next(table for table in result.tables if table.name.endswith(name))


@pytest.mark.parametrize("law", BOOK.ids())
def test_every_card_is_explained(law: str) -> None:
    result = call("explain", {"laws": [law]}, BOOK)
    card = BOOK.get(law)
    assert result.reasons[0].startswith(law)
    said = " ".join([*result.reasons, *(notice.text for notice in result.warnings)])
    assert all(advice.say in said for advice in card.advice)
    assert len(_table(result, "variants").rows) >= min(len(card.variants), 20) if card.variants else True


def test_coefficients_come_with_spread_status_and_every_set() -> None:
    result = call("explain", {"laws": ["besiroglu2024"]}, BOOK)
    alpha = result.values["besiroglu2024_alpha"]
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low < 0.3478 < alpha.high
    assert alpha.interval_basis == "published standard error"
    rows = _table(result, "variants").rows
    assert {row[3] for row in rows} >= {"confirmed", "refit"}
    assert any("E = 1.8172" in str(row[2]) and "A = 482.01" in str(row[2]) for row in rows)


def test_the_range_is_told_and_a_run_beyond_it_is_flagged() -> None:
    beyond = call("explain", {"laws": ["muennighoff2023"], "params_total": 7e10}, BOOK)
    assert beyond.warnings[0].level == "warning"
    assert "8.05 times beyond" in beyond.warnings[0].text
    inside = call("explain", {"laws": ["muennighoff2023"], "params_total": 1e9}, BOOK)
    assert "inside the fit" in inside.reasons[0]
    assert "8.05 times beyond" in beyond.reasons[0]
    assert ["N", "parameters", "7M", "8.7B", "params"] in _table(beyond, "region").rows


def test_a_recalled_set_is_shown_as_recalled() -> None:
    rows = _table(call("explain", {"laws": ["bergsma2025_powerlines"]}, BOOK), "variants").rows
    assert any(row[0] == "prefactors" and row[3] == "recalled" for row in rows)


def test_nothing_to_explain_and_unknown_laws_are_refused() -> None:
    with pytest.raises(MissingInput):
        call("explain", {}, BOOK)
    with pytest.raises(InputError, match="nosuchlaw"):
        call("explain", {"laws": ["nosuchlaw"]}, BOOK)
