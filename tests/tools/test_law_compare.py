from __future__ import annotations

import pytest

from knowledge import LawBook
from knowledge.errors import InputError
from tools.law import evaluate
from tools.law_compare import common_relation, compare

BOOK = LawBook()


def cards(*ids: str):
    return [BOOK.get(law) for law in ids]


def test_the_numbers_are_those_of_the_laws() -> None:
    found = compare(cards("besiroglu2024", "hoffmann2022"), "optimum", "C", [1e21, 1e22], {})
    size = next(one for one in found.series if (one.law, one.output) == ("hoffmann2022", "N"))
    assert size.values[1] == pytest.approx(evaluate(BOOK.get("hoffmann2022"), "optimum", {"C": 1e22}).values["N"].value)


def test_losses_on_another_corpus_are_left_out_but_sizes_stay() -> None:
    found = compare(cards("besiroglu2024", "kaplan2020"), "optimum", "C", [1e21, 1e22], {})
    assert {one.output for one in found.series if one.law == "kaplan2020"} >= {"N", "D"}
    assert not any(one.law == "kaplan2020" and one.output == "L" for one in found.series)
    assert any("do not compare" in why and "WebText2" in why for why in found.skipped.values())


def test_flop_become_pf_days_where_a_law_counts_those() -> None:
    found = compare(cards("besiroglu2024", "henighan2020"), "optimum", "C", [8.64e20], {})
    size = next(one for one in found.series if one.law == "henighan2020" and one.quantity == "params_nonembedding")
    assert size.values[0] == pytest.approx(9.275e8, rel=0.001)


def test_another_unit_of_the_same_name_is_refused() -> None:
    found = compare(cards("besiroglu2024", "nezhurina2025_clip_mammut"), "optimum", "C", [1e21], {})
    assert "takes no flops" in found.skipped["nezhurina2025_clip_mammut"]


def test_tokens_not_stated_are_filled_in_and_said() -> None:
    found = compare(cards("besiroglu2024"), "loss", "N", [1e9], {})
    assert "20 per parameter" in found.notes[0]
    assert found.series[0].values[0] == pytest.approx(evaluate(BOOK.get("besiroglu2024"), "loss", {"N": 1e9, "D": 2e10}).values["L"].value)
    stated = compare(cards("besiroglu2024"), "loss", "N", [1e9], {"D": 1e11})
    assert not stated.notes
    assert stated.series[0].values[0] < found.series[0].values[0]


def test_points_outside_the_fit_are_counted() -> None:
    found = compare(cards("besiroglu2024"), "optimum", "C", [1e20, 1e30], {})
    assert {one.outside for one in found.series} == {1}


def test_the_usual_relation_is_the_one_most_laws_have() -> None:
    assert common_relation(cards("besiroglu2024", "hoffmann2022")) == "optimum"
    with pytest.raises(InputError, match="none of these laws"):
        common_relation(cards("guo2017_calibration"))
