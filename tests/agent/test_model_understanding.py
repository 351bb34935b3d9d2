"""Understanding by a language model: used where it holds, left aside where it lies, fails or is slow."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agent import ask
from agent.answer import Answer
from agent.brief import Brief
from agent.state import Context
from agent.understand import parse
from agent.understand.grounding import Grounds

pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
sys.path.insert(0, str(Path(__file__).parent))
from scripted_model import Reply, Script, says, scripted

QUESTION = "best model for 1e22 FLOPs on 8 H100s"
GOOD: dict[str, Any] = {"task": "allocate", "compute_flops": 1e22, "n_accelerators": 8, "accelerator": "h100-sxm"}
LIMIT = 2.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Imports are paid once, outside the limits measured here."""
    with scripted([says(GOOD)]) as server:
        ask(QUESTION, context=Context(model="openai:scripted", base_url=server.base_url))


def answered(
    script: Script | list[Reply], question: str = QUESTION, previous: Brief | None = None, limit: float = LIMIT
) -> tuple[Answer, list[dict[str, Any]], float]:
    with scripted(script) as server:
        begun = time.perf_counter()
        answer = ask(
            question, previous=previous, context=Context(model="openai:scripted", base_url=server.base_url, model_timeout_seconds=limit)
        )
        return answer, server.requests, time.perf_counter() - begun


def test_a_brief_that_holds_is_used_and_the_answer_says_so() -> None:
    answer, requests, _ = answered([says(GOOD)])
    assert answer.understood_by == "openai:scripted"
    assert answer.brief == Brief.read(GOOD)
    assert "temperature" not in requests[0]
    assert requests[0]["response_format"]["type"] == "json_schema"


def test_a_tool_call_serves_as_well_as_text() -> None:
    answer, _, _ = answered([Reply(calls=[("brief", GOOD)])])
    assert answer.understood_by == "openai:scripted"


def test_a_number_that_is_not_in_the_question_is_repaired_once() -> None:
    answer, requests, _ = answered([says({**GOOD, "mfu": 0.4}), says(GOOD)])
    assert answer.understood_by == "openai:scripted"
    assert "mfu: 0.4 is not in the question" in requests[1]["messages"][-1]["content"]


FAULTS: dict[str, list[Reply]] = {
    "lies": [says({**GOOD, "compute_flops": 3e23})],
    "other part": [says({**GOOD, "accelerator": "b200"})],
    "wrong fields": [says({"flops": 1e22})],
    "wrong types": [says({**GOOD, "compute_flops": {"value": 1e22}})],
    "negative": [says({**GOOD, "compute_flops": -1e22})],
    "unknown task": [says({**GOOD, "task": "sing"})],
    "a list": [Reply(content="[1, 2]")],
    "malformed": [Reply(content='{"task": "allocate", "compute')],
    "malformed call": [Reply(calls=[("brief", '{"task": ')])],
    "refusal": [Reply(refusal="I cannot help with that")],
    "empty": [Reply(content="")],
    "null": [Reply()],
    "server error": [Reply(status=500)],
    "no such model": [Reply(status=404)],
    "429 too long": [Reply(status=429, headers={"retry-after": "60"})],
    "429 bare": [Reply(status=429)],
    "disconnect": [Reply(disconnect=True)],
    "garbage": [Reply(body=b"<html>")],
    "slow": [Reply(content="{}", delay=20)],
    "drip": [Reply(content="x" * 100, drip=0.2)],
    "deep": [Reply(content="[" * 50_000)],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_built_in_answer_in_time(fault: str) -> None:
    answer, requests, seconds = answered(FAULTS[fault])
    assert answer.understood_by == "built-in"
    assert answer.worded_by == "built-in"
    assert answer.results == ask(QUESTION).results
    assert any("built-in parser read the question" in notice.text for notice in answer.notices)
    assert seconds < LIMIT + 0.2
    assert 1 <= len(requests) <= 3


def test_slow_wording_leaves_the_models_reading_in_the_templates_words_in_time() -> None:
    answer, requests, seconds = answered(lambda request: says(GOOD) if request.get("response_format") else Reply(content="x", delay=20))
    assert (answer.understood_by, answer.worded_by) == ("openai:scripted", "built-in")
    assert any("worded from templates" in notice.text for notice in answer.notices)
    assert len(requests) == 2
    assert seconds < LIMIT + 0.2


def test_the_limit_counts_from_the_request() -> None:
    with scripted([says(GOOD)]) as server:
        context = Context(model="openai:scripted", base_url=server.base_url, model_timeout_seconds=LIMIT)
        answer = ask(QUESTION, context=context, asked_at=time.monotonic() - LIMIT)
    assert server.requests == []
    assert answer.understood_by == "built-in"
    assert any("could not be asked within its limit" in notice.text for notice in answer.notices)


FRESH = """
import sys, time
from agent import ask
from agent.state import Context
question, context = "best model for 1e22 FLOPs on 8 H100s", Context(model="openai:scripted", base_url=sys.argv[1], model_timeout_seconds=1.0)
ask(question)
assert not any(name.startswith("langchain_openai") for name in sys.modules)
begun = time.perf_counter()
answer = ask(question, context=context)
print(time.perf_counter() - begun, answer.understood_by)
"""


def test_loading_the_models_library_is_within_the_limit() -> None:
    with scripted([Reply(delay=20)]) as server:
        child = subprocess.run([sys.executable, "-c", FRESH, server.base_url], capture_output=True, text=True, cwd=ROOT, check=True)
    seconds, understood_by = child.stdout.split()
    assert understood_by == "built-in"
    assert float(seconds) < 1.2


def test_nobody_listens() -> None:
    answer = ask(QUESTION, context=Context(model="openai:scripted", base_url="http://127.0.0.1:9/v1", model_timeout_seconds=LIMIT))
    assert answer.understood_by == "built-in"
    assert any("could not be reached" in notice.text for notice in answer.notices)


def test_an_unknown_provider_is_no_crash() -> None:
    answer = ask(QUESTION, context=Context(model="nobody:nothing", model_timeout_seconds=LIMIT))
    assert answer.understood_by == "built-in"


def test_a_429_within_the_limit_is_waited_for() -> None:
    answer, requests, _ = answered([Reply(status=429, headers={"retry-after": "0.1"}), says(GOOD)])
    assert answer.understood_by == "openai:scripted"
    assert len(requests) >= 2


def test_an_amount_the_model_left_out_is_asked_about() -> None:
    answer, _, _ = answered([says({"task": "allocate", "compute_flops": 1e22})])
    assert answer.understood_by == "openai:scripted"
    assert any("was not used" in notice.text and "8 H100s" in notice.text for notice in answer.notices)


def test_a_follow_up_may_keep_what_the_brief_before_says() -> None:
    before = Brief.read(GOOD)
    answer, requests, _ = answered([says({**GOOD, "compute_flops": 2e22})], "and with twice the compute?", before)
    assert answer.understood_by == "openai:scripted"
    assert answer.brief.compute_flops == 2e22
    assert "answered_before" in requests[0]["messages"][1]["content"]


def test_the_key_goes_to_the_server_and_is_never_printed() -> None:
    context = Context(model="openai:scripted", api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in repr(context)
    with scripted([says(GOOD)]) as server:
        answer = ask(QUESTION, context=Context(model="openai:scripted", base_url=server.base_url, api_key=SecretStr("sk-secret")))
    assert server.requests[0]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in answer.model_dump_json()


def test_another_servers_key_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    _, requests, _ = answered([says(GOOD)])
    assert requests[0]["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("question", "field", "value", "holds"),
    [
        ("train 7B on 2T tokens for two weeks", "duration_seconds", 1209600.0, True),
        ("train 7B on 2T tokens for two weeks", "duration_seconds", 604800.0, False),
        ("train 7B on 2T tokens", "params_total", 7e9, True),
        ("train 7B on 2T tokens", "params_total", 2e12, False),
        ("4 nodes of 8 H100s", "n_accelerators", 32, True),
        ("8k context", "sequence_length", 8192, True),
        ("at 40% MFU", "mfu", 0.4, True),
        ("at 40% MFU", "mfu", 0.45, False),
        ("20 tok/s per user", "latency_ms_per_token", 50.0, True),
        ("$2.10 per GPU-hour", "price_per_accelerator_hour_usd", 2.1, True),
        ("$2.10 per GPU-hour", "compute_flops", 2.1, False),
    ],
)
def test_a_number_holds_in_its_own_dimension(question: str, field: str, value: float, holds: bool) -> None:
    assert Grounds(question, parse(question).brief).holds(field, value) is holds
