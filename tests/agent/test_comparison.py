"""Values compared: paired where a question states them side by side, crossed where it lists them apart, and the decision told."""

from __future__ import annotations

import pytest

from agent import ask
from agent.brief import Brief
from agent.comparison import MAX_CASES, arranged, cases
from agent.understand import parse
from knowledge import InputError

RUN = "how long for 7B on 1T tokens with "


def compared(question: str, tool: str = "wall_clock") -> list[tuple[object, ...]]:
    read = parse(question)
    return [tuple(case.values()) for case in cases(arranged(read.brief, read.spans, question), tool)]


@pytest.mark.parametrize(
    "question",
    [
        RUN + "64 or 128 H100s or B200s?",
        "how long for 7B on 1T tokens, H100s or B200s, 64 or 128 of them?",
        RUN + "64 H100s or 128 B200s? I want every combination.",
    ],
)
def test_lists_stated_apart_are_crossed(question: str) -> None:
    assert sorted(compared(question)) == [("b200", 64), ("b200", 128), ("h100-sxm", 64), ("h100-sxm", 128)]


@pytest.mark.parametrize(
    "question",
    [
        RUN + "64 H100s or 32 B200s?",
        RUN + "H100s or B200s, 64 or 32 of them respectively?",
        "wie lange dauern 7B auf 1T Tokens mit 64 H100s oder 32 B200s?",
    ],
)
def test_lists_stated_side_by_side_are_paired(question: str) -> None:
    assert sorted(compared(question)) == [("b200", 32), ("h100-sxm", 64)]


def test_sizes_and_tokens_side_by_side_are_paired() -> None:
    assert compared("what loss for 7B on 1T tokens or 13B on 2T tokens?", "predict_loss") == [(7e9, 1e12), (13e9, 2e12)]
    assert len(compared("what loss for 7B or 13B on 1T or 2T tokens?", "predict_loss")) == 4


@pytest.mark.parametrize(
    ("question", "says"), [("64 or 128 H100s or B200s?", "Every combination"), ("64 H100s or 32 B200s?", "side by side")]
)
def test_the_decision_is_told_and_kept(question: str, says: str) -> None:
    answer = ask(RUN + question)
    assert any(notice.text.startswith(("Every combination", "Compared side by side")) and says in notice.text for notice in answer.notices)
    again = ask(brief=answer.brief)
    assert [result.case for result in again.results] == [result.case for result in answer.results]


def test_a_brief_without_wording_pairs_the_parts_of_a_set_up() -> None:
    brief = Brief.read(
        {"task": "wall_clock", "params_total": 7e9, "tokens": 1e12, "accelerator": ["h100-sxm", "b200"], "n_accelerators": [64, 32]}
    )
    assert len(list(cases(brief, "wall_clock"))) == 2
    assert len(list(cases(brief.changed(details={"paired": "none"}), "wall_clock"))) == 4
    assert len(list(cases(brief.changed(n_accelerators=[8, 16, 32]), "wall_clock"))) == 6


def test_too_many_cases_are_refused() -> None:
    brief = Brief.read({"task": "wall_clock", "tokens": 1e12, "params_total": [7e9, 8e9, 9e9, 1e10], "n_accelerators": [8, 16, 32, 64]})
    with pytest.raises(InputError, match=f"16 combinations.*at most {MAX_CASES}"):
        list(cases(brief, "wall_clock"))
