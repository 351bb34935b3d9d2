"""What surrounds the numbers of a question must not outweigh them: measured against the parts of the same question, in the same run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from agent import ask, compose
from agent.brief import Brief
from agent.state import Context
from agent.understand.parser import parse
from tools.registry import call

ROUNDS, EACH = 4, 10


def _milliseconds(fn: Callable[[int], object]) -> float:
    """Least processor time of a call over some rounds: another job on the machine must not fail this."""
    fn(0)
    took: list[float] = []
    for round_ in range(ROUNDS):
        start = time.process_time()
        for i in range(EACH):
            fn(1 + round_ * EACH + i)
        took.append((time.process_time() - start) / EACH * 1e3)
    return min(took)


def _question(number: int) -> str:
    return f"what loss will a {1 + number / 1000:.3f}B model reach on 2T tokens?"


def _without_graph(number: int) -> object:
    brief: Brief = parse(_question(number)).brief
    result = call("predict_loss", {"params_total": brief.params_total, "tokens": brief.tokens})
    return compose.answer({"question": _question(number), "brief": brief, "results": [result]}, Context())


def test_the_graph_costs_less_than_what_it_carries() -> None:
    parts, whole = _milliseconds(_without_graph), _milliseconds(lambda number: ask(_question(number)))
    assert whole < 1.9 * parts, f"{whole:.1f} ms with the graph, {parts:.1f} ms for parser, tool and words"


def test_a_question_starts_no_thread() -> None:
    heard: list[str] = []
    before = threading.active_count()
    ask(_question(1), on_event=lambda event: heard.append(f"{event['status']} {threading.active_count() - before}"))
    assert heard == ["started 0", "done 0"]
