"""Scores of the built-in understanding on question suites, with floors."""

from __future__ import annotations

import statistics

import pytest
from shared import shared_path

from agent.understand import parse
from evals.understanding import Case, Score, compare, equal, load, run, score


@pytest.fixture(scope="module")
def own() -> list[Case]:
    parse("warm up")
    return run(load())


def test_own_suite_holds_every_task(own: list[Case]) -> None:
    from agent.brief import TASKS

    assert {case.gold["task"] for case in own} == set(TASKS)
    assert len(own) >= 250


def test_own_suite_floors(own: list[Case]) -> None:
    total = score(own)
    assert total.task_accuracy >= 0.96
    assert total.field_recall >= 0.96
    assert total.spurious_share <= 0.015
    assert total.whole_accuracy >= 0.93


def test_held_out_half_floors(own: list[Case]) -> None:
    total = score(case for case in own if "held" in case.tags)
    assert total.task_accuracy >= 0.92
    assert total.field_recall >= 0.94
    assert total.whole_accuracy >= 0.87


def test_development_questions_floors() -> None:
    total: Score = score(run(load(shared_path("questions/dev.yaml"))))
    assert total.task_accuracy >= 0.97
    assert total.field_recall >= 0.98
    assert total.spurious_share <= 0.01
    assert total.whole_accuracy >= 0.92


def test_a_question_takes_milliseconds(own: list[Case]) -> None:
    questions = [case.question for case in own]
    again = run([{"id": i, "question": q, "brief": {"task": "explain"}} for i, q in enumerate(questions)])
    assert statistics.median(case.seconds for case in again) < 0.02


@pytest.mark.parametrize(
    ("name", "gold", "found", "same"),
    [
        ("sequence_length", 8000, 8192, True),
        ("batch_tokens", 1e6, 1024.0**2, True),
        ("params_total", 8e9, 8.192e9, False),
        ("weight_bits", [8, 4], [4, 8], True),
        ("weight_bits", [8, 4], 8, False),
        ("laws", ["a", "b"], ["b", "a"], True),
        ("tokens", 1e12, 1.0000001e12, True),
        ("tokens", 1e12, 1.1e12, False),
        ("mfu", 0.4, None, False),
    ],
)
def test_the_scorer_compares_as_the_contract_says(name: str, gold: object, found: object, same: bool) -> None:
    assert equal(name, gold, found) is same


def test_the_scorer_names_what_differs() -> None:
    assert compare({"task": "cost", "tokens": 1.0}, {"task": "serve", "mfu": 0.4}) == ("+mfu", "task", "tokens")
    assert compare({"task": "cost", "also": ["serve"]}, {"task": "cost"}) == ("also",)
