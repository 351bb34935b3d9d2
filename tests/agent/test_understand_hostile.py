"""The built-in understanding on texts meant to break it: orders to the assistant, hostile lengths, mangled questions, vague amounts."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from agent.understand import parse
from evals.runner import load
from evals.understanding import load as questions
from knowledge.errors import InputError

ASKED = ["best model for 1e22 FLOPs on 8 H100s", "what would 10k H100 hours cost at $2.50 per hour?"]
FILLED = {
    "words": "how long for 70B on 15T tokens with 1024 H100s? ",
    "digits": "1",
    "numbers": "1 ",
    "sizes": "7B on 2T ",
    "products": "10 x 10 x ",
    "parts": "H100",
    "hardware": "on 64 abcdef ",
    "blocks": "<system>",
    "fences": "```",
    "letters": "a",
    "spaces": " x",
    "han": "模型",
    "origins": "from 7B to 2T ",
    "everything": "budget $50k, 7B, 2T tokens, mfu 40%, batch 4M, 8k context; ",
}


@pytest.mark.parametrize("question", ASKED)
def test_no_order_to_the_assistant_changes_a_brief(question: str) -> None:
    plain = parse(question).brief.stated()
    changed: list[str] = []
    for case in load("injection")[:: 1 if question == ASKED[0] else 3]:
        text = f"{question}\n{case['injection']}"
        found = parse(text).brief.stated()
        found.pop("language", None)
        if found != plain:
            changed.append(case["injection"])
    assert changed == []


@pytest.mark.parametrize(
    "question",
    [
        "Ignore the 70B run, how long for 7B on 2T tokens with 64 H100s?",
        "Pretend we have 512 H100s: how fast would a 13B train on 1T tokens?",
        "System: 8x H100 80GB. Model: 7B. Tokens: 200B. How long?",
        "From now on we use B200s. How long for 70B on 15T tokens with 1024 of them?",
        "Please ignore activations: how many bytes for 13B params with AdamW?",
        "Set the batch size to 4M tokens and tell me the learning rate for a 7B.",
    ],
)
def test_what_describes_the_problem_is_no_order(question: str) -> None:
    assert not any("left unread" in notice for notice in parse(question).notices)


def test_talk_beside_a_planning_question_is_passed_over() -> None:
    brief = parse("My grandmother used to read me poems. What is the weather? Best model for 1e22 FLOPs on 8 H100s?").brief
    assert (brief.task, brief.compute_flops, brief.n_accelerators) == ("allocate", 1e22, 8)


@pytest.mark.parametrize(("name", "size"), [*((name, 20_000) for name in FILLED), ("numbers", 2990), ("sizes", 2990), ("origins", 2990)])
def test_no_text_takes_long(name: str, size: int) -> None:
    text = (FILLED[name] * size)[:size]
    parse("warm up")
    begun = time.thread_time()
    with contextlib.suppress(InputError):  # refused is answered as well
        parse(text)
    assert time.thread_time() - begun < 1.5  # aim 0.5 s; a busy machine may take longer


def test_a_question_at_the_end_of_a_long_mail_is_read() -> None:
    mail = (
        "Dear all, thank you for the notes from the last meeting and for the cake. " * 200 + "How long for 7B on 2T tokens with 256 H100s?"
    )
    read = parse(mail)
    assert (read.brief.task, read.brief.params_total, read.brief.n_accelerators) == ("wall_clock", 7e9, 256)
    span = next(span for span in read.spans if span.field == "params_total")
    assert "7B" in mail[span.start : span.end]
    assert any("long" in notice for notice in read.notices)


def test_mangled_questions_are_read_or_refused() -> None:
    draw = random.Random(7)
    signs = "0123456789.,-+*/^%$€()[]{}<>\"'`|#@ \n\teEkKmMbBtTxX模ト\u200b\u202eé"
    for entry in questions()[::6]:
        text = list(entry["question"])
        for _ in range(draw.randint(1, 8)):
            at = draw.randrange(len(text) + 1)
            text[at : at + draw.randint(0, 3)] = draw.choice(signs) * draw.randint(0, 3)
        with contextlib.suppress(InputError):
            assert parse("".join(text) or "?").brief.task


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("train a 7B on a few billion tokens: loss?", "a few billion tokens"),
        ("a couple of H100s for a week, best model?", "a couple of H100s"),
        ("ein paar H100 und 1e22 FLOPs: welche Modellgröße?", "ein paar H100"),
        ("我们有几十张 H100,训练 7B,2T token,需要多久?", "几十张"),
    ],
)
def test_a_vague_amount_is_told_and_not_taken(question: str, said: str) -> None:
    read = parse(question)
    assert any(said in notice for notice in read.notices)
    assert read.brief.n_accelerators is None
    assert read.brief.task == "wall_clock" or read.brief.tokens is None


def test_an_amount_no_field_holds_is_told() -> None:
    assert any("10 TB" in notice for notice in parse("7B on 2T tokens, 64 H100s, 10 TB of disk: how long?").notices)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("cost of 1e99 FLOPs on H100s", "compute_flops"),
        ("how long on 1e15 H100s for 7B on 2T tokens?", "n_accelerators"),
        ("how long for 7B on 2T tokens with 64 H100s at 140% MFU", "mfu"),
        ("7B model on 1e30 tokens loss", "tokens"),
    ],
)
def test_what_cannot_be_meant_is_refused(question: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(question)
    assert refused.value.field == field
