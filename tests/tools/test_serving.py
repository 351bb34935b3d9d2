"""Serving estimates, rows of the shared table, the serve tool and prices."""

import csv
import math
import time

import numpy as np
import pytest
from shared import shared_path

from knowledge.errors import InputError, MissingInput
from knowledge.hardware import accelerator
from knowledge.shapes import model
from tools.registry import call
from tools.systems.serving import Deployment, Load, devices_for_rate, estimate, estimate_many, fewest_devices, predict_row
from tools.systems.serving_case import precision_for
from tools.systems.serving_price import dense_price, max_params_for_price, usd_per_million
from tools.systems.speculation import expected_tokens, speculative_rate

ROW = {
    "model": "Llama-3-8B",
    "params_total": "8030000000",
    "precision": "fp16/bf16",
    "weight_bits": "16",
    "accelerator": "H100-SXM",
    "n_accelerators": "1",
    "tp": "1",
    "framework": "vLLM",
    "scenario": "static batch",
    "batch_or_concurrency": "16",
    "input_len": "512",
    "output_len": "512",
}


def numbers(row: dict[str, str]) -> float:
    value, low, high = predict_row(row)
    assert 0 < low < value < high < math.inf
    return value


def test_answer_columns_are_never_read() -> None:
    answers = {
        "output_tokens_per_s_total": "1",
        "output_tokens_per_s_per_gpu": "7",
        "total_tokens_per_s_total": "2",
        "ttft_ms": "1e9",
        "tpot_ms": "3",
        "latency_s": "4",
        "power_w": "5",
    }
    assert predict_row(ROW | answers) == predict_row(ROW)


@pytest.mark.parametrize("column", [key for key in ROW if key != "model"])
def test_a_missing_column_is_filled_by_an_assumption(column: str) -> None:
    assert numbers(ROW | {column: ""}) > 0
    assert numbers({key: value for key, value in ROW.items() if key != column}) > 0


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Nobody-13B", "params_total": ""},
        {"model": "a private thing", "params_total": "3e9"},
        {"accelerator": "SN40L"},
        {"accelerator": "MI250X (one GCD)"},
        {"n_accelerators": "72", "tp": ""},
        {"n_accelerators": "3", "tp": ""},
        {"tp": "24", "n_accelerators": "12", "accelerator": "Inferentia2"},
        {"pp": "8", "n_accelerators": "8"},
        {"model": "DeepSeek-R1", "n_accelerators": "4", "ep": "4", "weight_bits": "4"},
        {"model": "Llama-3.1-405B"},
        {"batch_or_concurrency": "nan"},
        {"weight_bits": "-3"},
        {"input_len": "inf", "output_len": "abc"},
        {"batch_or_concurrency": "1e6"},
    ],
)
def test_odd_rows_still_get_a_prediction(change: dict[str, str]) -> None:
    numbers(ROW | change)


def test_a_row_without_any_size_is_refused() -> None:
    with pytest.raises(InputError, match="params_total"):
        predict_row({"model": "mystery"})


def test_shared_rows_are_within_the_targets() -> None:
    """In-sample, so below the figures of evals/serving_report.py; catches a calibration that no longer belongs to the code."""
    path = shared_path("measured/inference_measured.csv")
    with path.open(encoding="utf8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["output_tokens_per_s_total"]][::4]
    predicted = [predict_row(row) for row in rows]
    measured = np.array([float(row["output_tokens_per_s_total"]) for row in rows])
    error = np.abs(np.array([value for value, _, _ in predicted]) / measured - 1)
    single = np.array([row["batch_or_concurrency"] == "1" for row in rows])
    assert np.median(error[single]) < 0.10
    assert np.median(error[~single]) < 0.15
    inside = np.mean([low <= value <= high for (_, low, high), value in zip(predicted, measured, strict=True)])
    assert 0.85 <= inside <= 0.99


def test_estimates_know_their_parts() -> None:
    part = accelerator("h100-sxm")
    served = estimate(model("llama-3-70b"), part, 4, precision_for(8, part), Load(1000, 500, 32))
    assert served.low < served.output_tokens_per_s < served.high
    assert served.batch == 32
    assert served.output_tokens_per_s == pytest.approx(32 / served.tpot_loaded_s, rel=1e-6)
    assert served.weight_bytes * served.ranks == pytest.approx(72.7e9, rel=0.01)
    parts = {name: seconds for name, seconds in served.parts.items() if name in ("weights", "cache", "collectives", "host")}
    assert sum(parts.values()) == pytest.approx(served.tpot_s)


def test_more_users_more_tokens_and_slower_each() -> None:
    part = accelerator("a100-80gb")
    served = [estimate(model("llama-3-8b"), part, 1, precision_for(16, part), Load(512, 256, users)) for users in (1, 4, 16, 64)]
    rates, waits = [one.output_tokens_per_s for one in served], [one.tpot_loaded_s for one in served]
    assert rates == sorted(rates)
    assert waits == sorted(waits)


def test_a_prefix_cache_helps_long_prompts() -> None:
    part = accelerator("h100-sxm")
    cold, warm = (
        estimate(model("llama-3-8b"), part, 1, precision_for(16, part), Load(8000, 100, 16, cached=cached)) for cached in (0.0, 7000.0)
    )
    assert warm.output_tokens_per_s > 1.5 * cold.output_tokens_per_s
    assert warm.ttft_s < 0.4 * cold.ttft_s


def test_fewest_accelerators() -> None:
    part = accelerator("h100-sxm")
    assert fewest_devices(model("llama-3-70b"), part, precision_for(16, part)) == 2
    assert fewest_devices(model("llama-3-70b"), part, precision_for(4, part)) == 1
    assert fewest_devices(model("llama-3.1-405b"), part, precision_for(8, part)) == 8
    count, unit = devices_for_rate(model("llama-3-8b"), part, precision_for(16, part), Load(tpot_limit=0.03), 50_000)
    assert count == math.ceil(50_000 / unit.output_tokens_per_s) * unit.devices
    assert unit.tpot_loaded_s <= 0.03 * 1.002
    with pytest.raises(InputError, match="ms per token"):
        devices_for_rate(model("llama-3-70b"), part, precision_for(16, part), Load(tpot_limit=0.0005), 100)


def test_speculation() -> None:
    assert expected_tokens(0.0, 4) == 1.0
    assert expected_tokens(0.8, 4) == pytest.approx(sum(0.8**k for k in range(5)))  # Leviathan et al. 2023, eq. 1
    part = accelerator("h100-sxm")
    alone, crowd = (estimate(model("llama-3-8b"), part, 1, precision_for(16, part), Load(512, 256, users)) for users in (1, 400))
    gain_alone, gain_crowd = (speculative_rate(one, 4, 0.7) / one.output_tokens_per_s for one in (alone, crowd))
    assert gain_alone > 1.5
    assert gain_crowd < gain_alone
    assert speculative_rate(alone, 4, 0.0) < alone.output_tokens_per_s


def test_price_is_hours_over_tokens() -> None:
    assert usd_per_million(1000, 2, 3.6) == pytest.approx(2.0)
    price = dense_price(8e9, "h100-sxm", 16, 2.0)
    assert price.usd == pytest.approx(usd_per_million(price.serving.output_tokens_per_s, price.serving.devices, 2.0))
    assert price.low < price.usd < price.high


@pytest.mark.parametrize("bits", [16, 8])
def test_the_largest_model_for_a_price_is_just_affordable(bits: float) -> None:
    params = max_params_for_price(0.3, "h100-sxm", bits, usd_per_hour=2.5)
    assert 1e9 < params < 1e12
    assert dense_price(params, "h100-sxm", bits, 2.5).usd <= 0.3
    assert dense_price(params * 1.5, "h100-sxm", bits, 2.5).usd > 0.3
    assert max_params_for_price(0.6, "h100-sxm", bits, usd_per_hour=2.5) > params


def test_an_impossible_price_is_refused() -> None:
    with pytest.raises(InputError, match="no model is served"):
        max_params_for_price(1e-6, "h100-sxm", 16)


def test_serve_13b_on_a_4090() -> None:
    result = call("serve", {"accelerator": "rtx-4090", "n_accelerators": 1, "params_total": 13e9, "weight_bits": 16})
    assert not result.feasible
    assert result.values["weight_bits_that_fit"].value == 8
    assert result.values["n_accelerators_that_fit"].value == 2
    assert (
        any(notice.level == "conflict" and "26" in notice.text for notice in result.warnings) or result.values["missing_bytes"].number > 3e9
    )
    assert call("serve", {"accelerator": "rtx-4090", "n_accelerators": 1, "params_total": 13e9, "weight_bits": 4}).feasible


def test_serve_memory_question_without_a_part() -> None:
    result = call("serve", {"sequence_length": 32_000, "params_total": 70e9, "concurrency": 16, "memory_bytes": 80e9})
    assert not result.feasible
    assert result.values["kv_cache_bytes"].number == pytest.approx(
        16 * 32_000 * 2 * 8 * 128 * 2 * 70, rel=0.2
    )  # about 70 layers of 8 kv heads
    assert "output_tokens_per_second" not in result.values
    need = result.values["memory_bytes_needed"].number
    assert result.values["n_accelerators_that_fit"].number == math.ceil(need / 80e9)


def test_serve_names_the_accelerators_for_a_rate_and_a_latency() -> None:
    result = call("serve", {"model": "mistral-7b", "accelerator": "l4", "latency_ms_per_token": 33.33, "concurrency": 200})
    assert result.values["n_accelerators"].number >= 8
    assert result.values["latency_ms_per_token"].number <= 33.4
    assert result.values["output_tokens_per_second"].number >= 6000


def test_serve_picks_narrower_weights_when_the_stated_machine_needs_them() -> None:
    result = call("serve", {"model": "deepseek-v3", "n_accelerators": 8, "accelerator": "h200"})
    assert result.feasible
    assert any(item.field == "weight_bits" and item.value == 8 for item in result.assumptions)


def test_serve_says_when_latency_or_price_cannot_be_kept() -> None:
    slow = call(
        "serve", {"params_total": 70e9, "weight_bits": 16, "n_accelerators": 4, "accelerator": "a100-80gb", "latency_ms_per_token": 5}
    )
    assert not slow.feasible
    dear = call("serve", {"params_total": 70e9, "accelerator": "h100-sxm", "n_accelerators": 4, "price_per_million_tokens_usd": 0.01})
    assert not dear.feasible
    assert any(notice.level == "conflict" and "0.01" in notice.text for notice in dear.warnings)


def test_serve_largest_model_for_a_price() -> None:
    result = call("serve", {"price_per_million_tokens_usd": 0.2, "accelerator": "h100-sxm", "price_per_accelerator_hour_usd": 2.0})
    assert result.values["params_total"].number == max(row[1] for row in result.tables[0].rows)


@pytest.mark.parametrize(
    "fields",
    [
        {"params_total": -1, "accelerator": "h100"},
        {"params_total": 7e9, "accelerator": "h1000"},
        {"model": "nope", "accelerator": "h100"},
        {"params_total": 7e9, "weight_bits": 0},
        {"params_total": 7e9, "n_accelerators": 0},
        {"params_total": float("nan")},
        {"params_total": 1e40},
    ],
)
def test_bad_requests_are_one_line(fields: dict[str, float | str]) -> None:
    with pytest.raises(InputError) as caught:
        call("serve", fields)
    assert "\n" not in str(caught.value)


def test_serve_asks_for_what_it_needs() -> None:
    with pytest.raises(MissingInput):
        call("serve", {})


def test_same_question_same_answer_and_quick_when_warm() -> None:
    fields = {"model": "llama-3-70b", "n_accelerators": 8, "accelerator": "h100-sxm", "concurrency": 64}
    first = call("serve", fields)
    started = time.perf_counter()
    assert call("serve", fields) == first
    assert time.perf_counter() - started < 0.5


def test_many_estimates_equal_single_ones_and_a_replica_may_span_nodes() -> None:
    part, small = accelerator("h100-sxm"), accelerator("rtx-4090")
    wanted = [
        Deployment(model("llama-3-8b"), part, 1, precision_for(16, part), Load(512, 256, 8)),
        Deployment(model("llama-3.1-405b"), part, 1, precision_for(16, part), Load()),
        Deployment(model("mixtral-8x7b"), part, 3, precision_for(8, part), Load(tpot_limit=0.03)),
        Deployment(model("llama-3.1-405b"), small, 64, precision_for(16, small), Load()),
    ]
    many = estimate_many(wanted)
    assert many[1] is None
    for want, one in zip(wanted, many, strict=True):
        if one is not None:
            assert one == estimate(want.shape, want.part, want.devices, want.how, want.load)
    assert many[3] is not None
    assert many[3].ranks == 64


def test_the_largest_model_within_a_latency_keeps_it_and_a_larger_one_does_not():
    asked = {"accelerator": "h100-sxm", "n_accelerators": 1, "latency_ms_per_token": 20.0, "weight_bits": 8}
    size = call("serve", asked).values["params_total"].number
    at = lambda params: call("serve", {**asked, "params_total": params, "concurrency": 1}).values["latency_ms_per_token"].number  # noqa: E731
    assert at(size) <= 20.0 * 1.001 < at(1.1 * size)
