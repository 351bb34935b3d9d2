from __future__ import annotations

import pytest

from knowledge import LawBook
from tools.law import evaluate
from tools.law_sweep import sweep, sweeps

BOOK = LawBook()


def test_a_sweep_spans_the_fitted_range_with_the_law_s_own_values() -> None:
    drawn = sweep(BOOK.get("liang2024_dit"), "optimum", 5)
    assert drawn is not None
    assert (drawn.x[0], drawn.x[-1]) == pytest.approx((1e17, 1.5e21))
    expected = evaluate(BOOK.get("liang2024_dit"), "optimum", {"C": drawn.x[2]}).values["N_opt"].value
    assert drawn.y[2] == pytest.approx(expected)


def test_other_inputs_stand_where_a_check_puts_them() -> None:
    drawn = sweep(BOOK.get("esser2024_sd3"), "clip_drop")
    assert drawn is not None
    assert drawn.input == "depth"
    assert drawn.fixed == {"steps": 10}


def test_what_cannot_be_drawn_is_left_out() -> None:
    card = BOOK.get("guo2017_calibration")
    assert "calibration_error" not in [one.relation for one in sweeps(card)]


def test_most_relations_of_the_base_can_be_drawn() -> None:
    drawn = sum(len(sweeps(card)) for card in BOOK)
    assert drawn > 0.6 * sum(len(card.relations) for card in BOOK)
