"""Faults a reader found in the built-in understanding, each with its kin: what must be refused, kept as stated, paired or told apart."""

from __future__ import annotations

import pytest

from agent.brief import Brief
from agent.planner import plan_steps
from agent.understand import parse
from knowledge.errors import InputError


def stated(question: str) -> dict[str, object]:
    return parse(question).brief.stated()


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("train a -7B model on 100B tokens", "params_total"),
        ("what loss will a -7B-parameter model reach on 1T tokens?", "params_total"),
        ("predict the loss of a model of minus 7 billion parameters on 100B tokens", "params_total"),
        ("train a 7B model on -100B tokens", "tokens"),
        ("best model for -1e22 FLOPs", "compute_flops"),
        ("what size for 1e22 FLOPs on -8 H100s?", "n_accelerators"),
        ("what model for 1e400 FLOPs?", "compute_flops"),
        ("what model for 10^400 FLOPs?", "compute_flops"),
        ("train a 7B on 1e400 tokens", "tokens"),
        ("loss of a 1e999 parameter model on 1T tokens?", "params_total"),
    ],
)
def test_a_quantity_that_cannot_be_meant_is_refused_by_its_field(question: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(question)
    assert refused.value.field == field
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("question", "params"),
    [
        ("train a 3-7B model on 100B tokens: what loss?", [3e9, 7e9]),
        ("predict loss - 7B model, 100B tokens", 7e9),
        ("Llama-7B-style model, 7B params, 100B tokens: loss?", 7e9),
    ],
)
def test_a_dash_is_no_minus(question: str, params: object) -> None:
    assert stated(question).get("params_total") in (params, 7e9)


@pytest.mark.parametrize(
    ("question", "count", "part"),
    [
        ("Train a 7B on 140B tokens on 64 FooBar9000s, how long?", 64, "foobar9000"),
        ("Time to train a 7B on 1T tokens on 100 quantum computers?", 100, "quantum computer"),
        ("how long does 1e22 FLOPs take on 64 Zorgon X1 accelerators?", 64, "zorgon x1"),
        ("on 16 Cerebras CS-3s, how long for a 7B on 1T tokens?", 16, "cerebras cs 3"),
        ("best model on 64 Blackhole 5000 for 30 days", 64, "blackhole 5000"),
        ("how long does 1e22 FLOPs take on 16 Groq LPUs?", 16, "groq lpu"),
    ],
)
def test_an_unknown_part_behind_a_count_is_kept_as_stated(question: str, count: int, part: str) -> None:
    found = parse(question)
    brief = found.brief.stated()
    assert brief["n_accelerators"] == count
    assert str(brief["accelerator"]).replace("-", " ") == part
    assert brief.get("duration_seconds") in (None, 30 * 86400.0)
    assert any(part in notice.lower().replace("-", " ") for notice in found.notices)


@pytest.mark.parametrize(
    "question",
    [
        "best model for 30 days on 64 H100s with 9000s of warmup",
        "how long does a 7B on 140B tokens take on 64 idle accelerators?",
        "serve a 7B to 100 personal computers' users on 8 H100s",
        "best of 64 samples on 500 math500 problems with a 7B: pass rate?",
        "loss of a 7B with 32 heads and 12 layers on 8 nodes of 8 H100s at 2048 context?",
        "serve a 7B on 8xH100 at 100 tok/s",
    ],
)
def test_no_part_is_made_up(question: str) -> None:
    assert stated(question).get("accelerator") in (None, "h100-sxm")


@pytest.mark.parametrize(
    "question",
    [
        "Can a 70B be trained on 16 A100 80GB at 4k context?",
        "Can we train a 13B model on 8 H100s at 8k context?",
        "Is it possible to train a 30B with 8k context on 32 H100s?",
    ],
)
def test_whether_training_fits_is_memory(question: str) -> None:
    brief = stated(question)
    assert brief["task"] == "memory"
    assert "sequence_length" in brief


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("can a 70B be trained on 16 A100 in a month on 1T tokens?", "wall_clock"),
        ("can a 70B be served on 2 A100 80GB at 4k context?", "serve"),
        ("train to loss 2.0: how much compute?", "allocate"),
        ("how much compute do I need to reach a loss of 2.1?", "allocate"),
        ("reward model overoptimization, best of 64", "rl"),
        ("how far can best-of-n go before the 3B reward model is overoptimized?", "rl"),
        ("DPO KL budget", "rl"),
        ("what KL budget for DPO on a 7B policy?", "rl"),
        ("weights of a 70B in int4, how many GB?", "quantize"),
        ("how many gigabytes are the weights of a 13B in int8?", "quantize"),
        ("how much memory to train a 13B with bf16 weights and adam states?", "memory"),
        ("best of 64 samples from a 7B: which pass rate?", "test_time"),
        ("loss of a 7B in int4 after 2T tokens?", "quantize"),
    ],
)
def test_the_task_is_what_is_asked(question: str, task: str) -> None:
    assert stated(question)["task"] == task


def test_the_format_of_weights_is_kept_where_their_bytes_are_asked() -> None:
    assert stated("weights of a 70B in int4, how many GB?")["weight_bits"] == 4


def test_stated_alternatives_run_side_by_side() -> None:
    brief = parse("What does a 7B on 140B tokens cost on 64 A100 at $1.5/h or 32 H100 at $3/h?").brief
    assert brief.accelerator == ["a100-80gb", "h100-sxm"]
    assert brief.n_accelerators == [64, 32]
    assert brief.price_per_accelerator_hour_usd == [1.5, 3.0]
    cases = [step.case for step in plan_steps(brief) if step.asked]
    assert [(case["accelerator"], case["n_accelerators"], case["price_per_accelerator_hour_usd"]) for case in cases] == [
        ("a100-80gb", 64, 1.5),
        ("h100-sxm", 32, 3.0),
    ]


def test_lists_that_are_no_alternatives_of_hardware_are_crossed() -> None:
    brief = Brief.read(
        {"task": "wall_clock", "params_total": [7e9, 13e9], "tokens": 1e12, "accelerator": ["h100-sxm", "b200"], "n_accelerators": 64}
    )
    assert len([step for step in plan_steps(brief) if step.asked]) == 4


@pytest.mark.parametrize(
    ("question", "flops"),
    [
        ("We have under 5% of 1e24 FLOPs. Best model size?", 5e22),
        ("best model for 10% of 3e23 FLOPs", 3e22),
        ("what model size for half of 1e24 FLOPs?", 5e23),
        ("best model for 1e24 FLOPs at 40% MFU", 1e24),
    ],
)
def test_a_share_of_a_budget_is_the_budget(question: str, flops: float) -> None:
    assert stated(question)["compute_flops"] == pytest.approx(flops, rel=1e-12)


@pytest.mark.parametrize(
    "question",
    [
        "Serve a 70B on 8 H100, 2k in 500 out, throughput?",
        "70B on 8 H100s: 2k in/500 out at 30 tok/s per user",
        "serve a 70B, 2000 in 500 out, on 8 H100",
    ],
)
def test_input_and_output_lengths_side_by_side(question: str) -> None:
    brief = stated(question)
    assert (brief["input_tokens"], brief["output_tokens"]) == (2000, 500)


def test_generations_of_synthetic_data_are_no_output() -> None:
    assert "output_tokens" not in stated("loss after training on synthetic data over 5 generations, 1B tokens each?")


@pytest.mark.parametrize(
    "question",
    ["How many parameters for NMT en-de with 100M sentence pairs?", "NMT en-fr scaling", "NMT en-de", "en-es translation model scaling"],
)
def test_a_language_pair_is_no_language_of_the_question(question: str) -> None:
    brief = stated(question)
    assert brief["task"] == "translation"
    assert "language" not in brief


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Last year we trained a 7B on 64 A100s for 30 days. Now we have 128 H100s for 60 days: what size is best?",
            {"n_accelerators": 128, "accelerator": "h100-sxm", "duration_seconds": 60 * 86400.0},
        ),
        (
            "We trained a 13B on 300B tokens with 256 V100s in 21 days; how long will a 70B on 1.4T tokens take on 512 H100s?",
            {"params_total": 7e10, "tokens": 1.4e12, "accelerator": "h100-sxm", "n_accelerators": 512},
        ),
        (
            "Our 7B run used 64 A100s for 30 days. How long will a 13B on 2T tokens take on 256 H100s?",
            {"params_total": 1.3e10, "tokens": 2e12, "accelerator": "h100-sxm", "n_accelerators": 256},
        ),
        (
            "We had 64 A100s for 30 days and trained a 7B; with 128 H100s for 60 days, which size?",
            {"n_accelerators": 128, "accelerator": "h100-sxm", "duration_seconds": 60 * 86400.0},
        ),
        (
            "A 7B on 64 A100s took us 20 days; how long for a 13B on 2T tokens with 128 H100s?",
            {"params_total": 1.3e10, "tokens": 2e12, "accelerator": "h100-sxm", "n_accelerators": 128},
        ),
        (
            "We trained a 7B on 2T tokens with 100k A100-hours. What will a 30B on 5T tokens need on H100s in hours?",
            {"params_total": 3e10, "tokens": 5e12, "accelerator": "h100-sxm"},
        ),
    ],
)
def test_the_set_up_before_is_dropped_as_a_whole(question: str, expected: dict[str, object]) -> None:
    brief = stated(question)
    scored = {name: value for name, value in brief.items() if name not in ("task", "also", "missing", "details")}
    assert scored == expected


@pytest.mark.parametrize(
    ("question", "student"),
    [
        ("distill a 70B into a 7B on 50B tokens", 7e9),
        ("distill our 70B to a 3B, tokens?", 3e9),
        ("from a 70B into a 7B distil with 1e22 FLOPs", 7e9),
        ("can we distill a 1B into a 3B with 100B tokens?", 3e9),
    ],
)
def test_the_student_is_what_is_distilled_into(question: str, student: float) -> None:
    brief = stated(question)
    assert brief["task"] == "distill"
    assert brief["params_total"] == student


@pytest.mark.parametrize(
    ("question", "teacher", "student"),
    [
        ("Distill Llama-3-70B into Llama-3-8B with 100B tokens: what loss?", "llama-3-70b", 8e9),
        ("Qwen2.5-72B into Qwen2.5-7B by distillation: how many tokens?", "qwen2.5-72b", 7e9),
    ],
)
def test_of_two_named_models_the_second_is_the_student(question: str, teacher: str, student: float) -> None:
    brief = stated(question)
    assert (brief["task"], brief["models"]) == ("distill", [teacher])
    assert brief["params_total"] == pytest.approx(student, rel=0.1)
    assert question_of_teacher(brief) is None


def question_of_teacher(brief: dict[str, object]) -> object:
    """The teacher's size is the named model's own, so the question states none."""
    details = brief.get("details")
    return details.get("teacher_params") if isinstance(details, dict) else None
