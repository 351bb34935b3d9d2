"""Wording and free-form tool calls by a language model: only rendered references and checked arguments come through."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import ask
from agent.answer import Answer
from agent.state import Context

pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
sys.path.insert(0, str(Path(__file__).parent))
from scripted_model import Reply, says, scripted

QUESTION = "tell me the loss of 7B on 2T tokens and what 1e22 FLOPs would buy on 8 H100s"
BRIEF: dict[str, Any] = {
    "task": "predict_loss",
    "also": ["allocate"],
    "params_total": 7e9,
    "tokens": 2e12,
    "compute_flops": 1e22,
    "n_accelerators": 8,
    "accelerator": "h100-sxm",
}


def told(
    prose: Callable[[int], str], turns: list[Reply] | None = None, brief: dict[str, Any] | None = None
) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer where the model reads rightly, calls tools by `turns` and words by `prose(attempt)`."""
    wordings, calls = iter(range(99)), iter(turns or [])

    def script(request: dict[str, Any]) -> Reply:
        if request.get("response_format"):
            return says({**(brief or BRIEF), "free_form": turns is not None})
        if request.get("tools"):
            return next(calls, Reply(content="done"))
        return Reply(content=prose(next(wordings)))

    with scripted(script) as server:
        answer = ask(QUESTION, context=Context(model="openai:scripted", base_url=server.base_url))
    return answer, server.requests


def test_references_are_rendered_by_code() -> None:
    answer, requests = told(lambda _: "The loss ends at {{predict_loss.loss}} for {{predict_loss.params_total}}.")
    assert answer.worded_by == "openai:scripted"
    assert answer.headline == "The loss ends at 2.06 nats/token for 7.00B params."
    assert answer.model_cost is not None
    assert answer.model_cost.calls == len(requests) == 2
    assert answer.model_cost.tokens_read == 200


def test_a_number_is_repaired_once() -> None:
    answer, requests = told(lambda n: "About half." if n == 0 else "It ends at {{predict_loss.loss}}.")
    assert answer.headline == "It ends at 2.06 nats/token."
    assert "'half'" in requests[-1]["messages"][-1]["content"]


@pytest.mark.parametrize("prose", ["It ends at 1.5.", "It ends at {{predict_loss.secret}}.", "Sieben Prozent besser.", "两倍。", ""])
def test_what_stays_wrong_is_worded_from_templates(prose: str) -> None:
    answer, _ = told(lambda _: prose)
    assert answer.understood_by == "openai:scripted"
    assert answer.worded_by == "built-in"
    assert answer.headline.startswith("Expected loss 2.06")


def test_free_form_questions_are_answered_by_tool_calls() -> None:
    turns = [
        Reply(calls=[("predict_loss", {"params_total": 7e9, "tokens": 2e12}), ("predict_loss", {"params_total": 9e9, "tokens": 2e12})]),
        Reply(
            calls=[
                ("sing", {}),
                ("allocate", {"compute_flops": 1e22}),
                ("cost", {"params_total": "many"}),
                ("memory", {"params_total": 7e9, "accelerator": "b200"}),
            ]
        ),
        Reply(calls=[("wall_clock", {"params_total": 9.05e9, "tokens": 184e9, "n_accelerators": 8, "accelerator": "h100-sxm"})]),
    ]
    answer, requests = told(lambda _: "", turns)
    assert [result.tool for result in answer.results] == ["predict_loss", "allocate", "wall_clock"]
    assert answer.brief.also == ["allocate", "wall_clock"]
    # A rounded number of an earlier result is taken as exactly that result's.
    assert answer.results[2].values["compute_flops"].value == pytest.approx(1e22, rel=1e-5)
    replies = [m["content"] for m in requests[-2]["messages"] if m["role"] == "tool"]
    assert "9e+09 is neither in the question nor in an earlier result" in replies[1]
    assert "no tool is called 'sing'" in replies[2]
    assert "not named in the question" in replies[5]


def test_tool_calls_end_at_their_limit() -> None:
    endless = [Reply(calls=[("predict_loss", {"params_total": 7e9, "tokens": 2e12})] * 3)] * 20
    answer, requests = told(lambda _: "", endless)
    assert sum(bool(r.get("tools") and not r.get("response_format")) for r in requests) <= 6
    assert [result.tool for result in answer.results] == ["predict_loss"]


def test_no_tool_call_means_the_built_in_plan() -> None:
    answer, _ = told(lambda _: "", [Reply(content="I just know: 42.")])
    assert next(result.tool for result in answer.results) == "predict_loss"
    assert any("built-in planner" in notice.text for notice in answer.notices)
    assert "42" not in answer.text.split()


def test_streamed_replies_are_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    import langchain.chat_models as chat_models

    monkeypatch.setattr(chat_models, "init_chat_model", functools.partial(chat_models.init_chat_model, streaming=True))
    answer, requests = told(lambda _: "It ends at {{predict_loss.loss}}.")
    assert requests[-1]["stream"] is True
    assert [notice.text for notice in answer.notices if "language model" in notice.text] == []
    assert answer.headline == "It ends at 2.06 nats/token."
