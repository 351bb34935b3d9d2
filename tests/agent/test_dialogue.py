"""Conversations: threads kept by checkpointers, forms for what is missing, why and formula."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import ValidationError

from agent import ask
from agent.brief import Brief
from agent.dialogue import form_for, view_of
from agent.graph import build
from agent.state import Context
from knowledge import InputError

ROOT = Path(__file__).parents[2]
BEFORE = Brief.read({"task": "allocate", "compute_flops": 1e22})


@pytest.fixture(scope="module")
def threads_url(postgres_url: Callable[[str], str]) -> str:
    pytest.importorskip("langgraph.checkpoint.postgres", reason="langgraph-checkpoint-postgres is not installed (extra `postgres`)")
    return postgres_url("threads")


@contextmanager
def on_postgres(url: str) -> Iterator[Any]:
    from langgraph.checkpoint.postgres import PostgresSaver

    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        yield saver


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def checkpointer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
        return
    if request.param == "postgresql":
        with on_postgres(request.getfixturevalue("threads_url")) as saver:
            for thread in "tu":
                saver.delete_thread(thread)
            yield saver
        return
    sqlite = pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed (extra `test`)")
    with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        yield saver


def test_a_thread_remembers_the_brief(checkpointer: Any) -> None:
    graph, thread = build.__wrapped__(checkpointer), {"configurable": {"thread_id": "t"}}
    says = lambda text: graph.invoke({"question": text}, thread, context=Context())["answer"]  # noqa: E731
    assert says("best model for 1e22 FLOPs").brief.compute_flops == 1e22
    assert says("and with half the compute?").brief.compute_flops == 5e21
    assert says("why?").sections[0].key == "reasons"
    assert says("use Kaplan instead").brief.stated() == {"task": "allocate", "compute_flops": 5e21, "laws": ["kaplan2020"]}
    other = graph.invoke({"question": "what size should it be?"}, {"configurable": {"thread_id": "u"}}, context=Context())["answer"]
    assert other.brief.compute_flops is None


@pytest.mark.parametrize("reply", [{"compute_flops": 1e22}, "1e22 FLOPs"])
def test_what_is_missing_is_a_typed_form(checkpointer: Any, reply: Any) -> None:
    graph, thread = build.__wrapped__(checkpointer), {"configurable": {"thread_id": "t"}}
    context = Context(interactive=True)
    paused = graph.invoke({"question": "what size should my model be?"}, thread, context=context)
    form = paused["__interrupt__"][0].value["form"]
    assert form["properties"]["compute_flops"]
    assert form["additionalProperties"] is False
    done = graph.invoke(Command(resume=reply), thread, context=context)
    assert done["answer"].results[0].values["tokens"].value == pytest.approx(1.843e11, rel=1e-3)


ELSEWHERE = """
import sys
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.types import Command
from agent.graph import build
from agent.state import Context
thread, context = {"configurable": {"thread_id": "far"}}, Context(interactive=True)
with PostgresSaver.from_conn_string(sys.argv[1]) as saver:
    graph = build(saver)
    first = graph.invoke(Command(resume={"compute_flops": 1e22}), thread, context=context)["answer"]
    second = graph.invoke({"question": "and with half the compute?"}, thread, context=context)["answer"]
print(first.brief.compute_flops, second.brief.compute_flops)
"""


def test_another_process_answers_what_was_asked_back_and_goes_on(threads_url: str) -> None:
    thread, context = {"configurable": {"thread_id": "far"}}, Context(interactive=True)
    with on_postgres(threads_url) as saver:
        graph = build.__wrapped__(saver)
        paused = graph.invoke({"question": "what size should my model be?"}, thread, context=context)
        assert paused["__interrupt__"]
        strict = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"}
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, threads_url], capture_output=True, text=True, cwd=ROOT, env=strict, check=True
        )
        assert done.stdout.split() == ["1e+22", "5e+21"]
        assert "Blocked" not in done.stderr
        assert graph.invoke({"question": "why?"}, thread, context=context)["answer"].brief.compute_flops == 5e21


def test_a_form_filled_in_wrongly_is_refused() -> None:
    graph, thread = build.__wrapped__(InMemorySaver()), {"configurable": {"thread_id": "t"}}
    graph.invoke({"question": "what size should my model be?"}, thread, context=Context(interactive=True))
    with pytest.raises(InputError, match="task"):
        graph.invoke(Command(resume={"task": "cost"}), thread, context=Context(interactive=True))


def test_forms_are_typed() -> None:
    form = form_for(["tokens", "accelerator"])
    assert form.model_validate({"tokens": 1e12}).model_dump(exclude_none=True) == {"tokens": 1e12}
    with pytest.raises(ValidationError):
        form.model_validate({"tokens": "plenty"})


@pytest.mark.parametrize(
    "text", ["why?", "Why is that?", "but why", "Warum?", "pourquoi ?", "¿por qué?", "为什么?", "なぜですか?", "how come?", "explain that"]
)
def test_asking_why(text: str) -> None:
    assert view_of(text, BEFORE) == "why"
    assert view_of(text, None) == "answer"


@pytest.mark.parametrize(
    "text",
    [
        "show me the formula",
        "which equations did you use?",
        "how did you get that?",
        "zeig mir die Formel",
        "muéstrame la fórmula",
        "公式是什么?",
        "計算式を見せて",
    ],
)
def test_asking_for_the_formula(text: str) -> None:
    assert view_of(text, BEFORE) == "formula"


@pytest.mark.parametrize(
    "text",
    ["use Kaplan instead", "and with half the data?", "why is a 7B on 2T tokens better than a 13B on 1T?", "what formula fits my 12 runs?"],
)
def test_asking_something_new(text: str) -> None:
    assert view_of(text, BEFORE) == "answer"


def test_a_single_reason_is_headline_and_section() -> None:
    why = ask("why?", previous=Brief.read({"task": "predict_loss", "params_total": 7e9, "tokens": 2e12}))
    assert why.sections[0].key == "reasons"
    assert why.sections[0].lines[0] in why.headline


def test_why_and_formula_show_the_answer_before() -> None:
    why, formula = ask("why?", previous=BEFORE), ask("show me the formula", previous=BEFORE)
    assert why.brief == formula.brief == BEFORE
    assert why.headline in " ".join(reason for result in why.results for reason in result.reasons)
    assert formula.sections[0].key == "allocate.explained"
    assert any("besiroglu2024" in line and "compute flops" in line.replace("_", " ") for line in formula.sections[0].lines)


@pytest.mark.parametrize(
    ("question", "says", "title"),
    [
        ("Mit 1e22 FLOPs: welche Modellgröße ist optimal?", "trainieren", "Die Zahlen"),
        ("Avec 5e22 FLOPs, quelle taille de modèle ?", "Entraîner", "Les chiffres"),
        ("用 1e22 FLOPs 最优的模型规模是多少?", "训练", "数值"),
        ("1e22 FLOPsの計算予算で最適なモデルサイズは?", "学習", "数値"),
    ],
)
def test_answers_are_in_the_questions_language(question: str, says: str, title: str) -> None:
    answer = ask(question)
    assert says in answer.headline
    assert title in [section.title for section in answer.sections]
