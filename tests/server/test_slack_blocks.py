"""Answers as blocks: within Slack's documented limits whatever the answer holds. All suites in full: python -m evals.slack_blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ask
from agent.answer import Answer, Grid, Need, Section
from agent.brief import Brief
from evals.slack_blocks import SUITES, check, problems, questions
from server.slack.blocks import alt_text, answer_blocks
from server.slack.home import home_view, prompts
from server.slack.limits import MESSAGE_CHARACTERS, characters, chunk_problems, fitting, message_problems, view_problems
from server.slack.modals import change, changes_in_words, complete, needs_modal, what_if_modal
from server.slack.reports import fit_blocks
from server.slack.tables import SlackAnswer
from server.slack.text import bullets, cut, mrkdwn
from server.slack.turn import of_change, of_message


def test_a_sample_of_the_suites_is_within_the_limits() -> None:
    asked = list(questions(sorted(SUITES.glob("*.yaml"))))
    assert len(asked) > 300
    found, counts = check(asked[7::45])
    assert found == []
    assert counts["answered"] >= 5


def test_the_checker_sees_what_is_wrong() -> None:
    table = {
        "type": "table",
        "rows": [[{"type": "raw_text", "text": "a"}], [{"type": "raw_text", "text": ""}, {"type": "raw_text", "text": "b"}]],
    }
    assert len(message_problems([table, table])) >= 3
    assert message_problems([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 4)
    assert message_problems([{"type": "section", "text": {"type": "mrkdwn", "text": "a < b"}}])
    assert message_problems([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}])
    assert view_problems({"type": "modal", "title": {"type": "plain_text", "text": "x" * 25}, "blocks": [table]})
    assert message_problems([{"type": "divider"}] * 51)


hard = st.text(alphabet=st.sampled_from("ab &<>*_`~:|@#!\n\u200b𝔘é1"), max_size=4000)


@given(
    headline=hard.filter(str.strip), lines=st.lists(hard, max_size=30), cells=st.lists(st.lists(hard, min_size=3, max_size=3), max_size=120)
)
def test_any_text_stays_within_the_limits(headline: str, lines: list[str], cells: list[list[str]]) -> None:
    sections = [
        Section(key="summary", title="The numbers", grid=Grid(header=["", "value", "from"], rows=cells)),
        Section(key="reasons", title="Why", lines=lines),
        Section(key="notices", title="What to watch", lines=lines),
        Section(key="assumptions", title="Assumed", lines=lines),
        Section(key="conflicts", title="Conflicts", lines=lines or ["x"]),
    ]
    answer = Answer(
        question=headline,
        brief=Brief(task="allocate"),
        headline=headline,
        sections=sections,
        results=[],
        needs=[Need(field="tokens", unit="tokens", example=headline[:200])],
        needs_any_of=[["tokens"]],
    )
    assert problems(answer)[0] == []


@given(text=hard, limit=st.integers(2, 60))
def test_cutting_keeps_entities_whole(text: str, limit: int) -> None:
    shown = cut(mrkdwn(text), limit)
    assert len(shown) <= limit
    assert message_problems([{"type": "section", "text": {"type": "mrkdwn", "text": shown or "-"}}]) == []


def test_marks_of_others_lose_their_meaning() -> None:
    assert mrkdwn("<!channel> & *b* `c` ~d~") == "&lt;!channel&gt; &amp; \u2217b\u2217 \u02cbc\u02cb \u223cd\u223c"
    assert ":fire:" not in mrkdwn("see :fire: now")
    assert "_" not in mrkdwn("_sly_")
    assert mrkdwn("weight_bits at 12:30") == "weight_bits at 12:30"
    assert bullets(["a"] * 5000).endswith("more")


def test_forms_read_what_people_type() -> None:
    answer = ask("what loss will a 7B model reach?")
    assert complete(answer, {"params_total": "7B"})[0] is None
    brief, errors = complete(answer, {"params_total": "7B", "tokens": "2T tokens"})
    assert brief is not None
    assert (errors, brief.params_total, brief.tokens) == ({}, 7e9, 2e12)
    assert "tokens 2" in changes_in_words(answer.brief, brief)
    plan = ask("best model for 1e22 FLOPs")
    view = what_if_modal(plan, {})
    shown = {block["block_id"]: block["element"].get("initial_value", "") for block in view["blocks"]}
    unchanged, _ = change(plan, {field: text for field, text in shown.items() if text})
    assert unchanged is not None
    assert unchanged.stated() == plan.brief.stated()
    other, _ = change(plan, {**shown, "compute_flops": "3e23"})
    assert other is not None
    assert other.compute_flops == 3e23
    assert change(plan, {"compute_flops": "-1"})[1].keys() == {"compute_flops"}
    view = needs_modal(answer, {})
    assert view_problems(view) == []
    asked = {block["block_id"]: block["element"].get("initial_value") for block in view["blocks"] if block["type"] == "input"}
    assert (asked["params_total"], asked["tokens"]) == ("7B", None)  # what was said need not be said again
    assert plan.figures
    told = alt_text(plan.figures[0])
    assert "at the mark" in told
    assert "e+09" in told


def test_home_and_prompts() -> None:
    assert view_problems(home_view([])) == []
    many = [
        SlackAnswer(key=str(i), team="T", channel="C", thread="1", user="U", plan_id="p", question="<q> " * 300, headline="h & " * 500)
        for i in range(10)
    ]
    assert view_problems(home_view(many)) == []
    assert 1 <= len(prompts()) <= 4


def test_fit_report_is_within_the_limits() -> None:
    report = {
        "verdict": "E < A",
        "group": {"family": "a&b"},
        "params": {f"p{i}": 1.5 for i in range(9)},
        "se": {"p0": 0.1},
        "interval90": {"p0": [1, 2]},
        "problems": ["row 1 <x>"],
    }
    fits = [{"id": f"fit_{i}", "form": "chinchilla", "report": report, "has_law": True} for i in range(30)]
    for some in (fits[:1], fits):
        text, blocks = fit_blocks("runs.csv", some)
        assert message_problems(blocks, text) == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message", "subtype": "message_changed"},
        {"type": "message", "subtype": "message_deleted", "channel": "C"},
        {"type": "message"},
        {"type": "app_mention"},
        {"type": "app_mention", "user": "U", "text": ""},
    ],
)
def test_odd_events_do_no_harm(event: dict[str, object]) -> None:
    assert of_message(dict(event), {}) is None
    turn = of_change(dict(event), {})
    assert turn is None or turn.kind in ("edit", "delete")


def test_an_answer_outside_planning_has_no_button() -> None:
    blocks = answer_blocks(ask("what is the capital of France?"), "0" * 32, link="https://x.test")
    assert [block["type"] for block in blocks if block["type"] == "actions"] == []


def test_a_sentence_stands_below_the_table_and_nothing_is_said_twice() -> None:
    rows = [
        ["tokens", "2T tokens", "1T to 3T tokens", "x2024"],
        ["tokens", "2T tokens", "", "from plan"],
        ["verdict", "Yes: " + "it fits " * 20, "", ""],
        ["headline", "The headline " + "again " * 20, "", ""],
    ]
    answer = Answer(
        question="?",
        brief=Brief(task="allocate"),
        headline="The headline " + "again " * 20,
        sections=[Section(key="summary", title="", grid=Grid(header=["", "value", "90% interval", "from"], rows=rows))],
        results=[],
    )
    shown = answer_blocks(answer, "0" * 32)
    assert [[cell["text"] for cell in row] for row in next(block for block in shown if block["type"] == "table")["rows"]] == [
        ["quantity", "value", "90% interval", "from"],
        ["tokens", "2T tokens", "1T to 3T tokens", "x2024"],
    ]
    assert [block["text"]["text"][:14] for block in shown if block["type"] == "section"][1:] == ["• *verdict*: Y"]


def test_a_message_that_is_too_long_is_cut_before_its_buttons() -> None:
    long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}} for _ in range(9)]
    buttons = {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}]}
    many = [{"type": "divider"}] * 70
    for blocks in ([*long, buttons], [*many, buttons], many, long):
        assert message_problems(blocks)
        shown = fitting(blocks)
        assert message_problems(shown) == []
        assert (shown[-1] == buttons) == (blocks[-1] == buttons)
        assert "longer" in shown[-2 if blocks[-1] == buttons else -1]["elements"][0]["text"]
    assert characters(fitting([*long, buttons])) > 0.8 * MESSAGE_CHARACTERS
    assert fitting(long[:3]) == long[:3]


def test_chunks_of_a_stream_are_checked() -> None:
    good = [{"type": "task_update", "id": "a", "title": "A", "status": "complete"}, {"type": "markdown_text", "text": "x"}]
    assert chunk_problems(good) == []
    wrong = [{**good[0], "status": "done"}, {**good[0], "title": ""}, {"type": "markdown_text", "text": "x" * 12_001}, {"type": "plan"}]
    assert len(chunk_problems(wrong)) >= 4


def test_suites_are_where_they_are_looked_for() -> None:
    assert Path(SUITES).is_dir()
