"""The calibration command: deterministic, shrinks to its priors, and holds on a source it has not seen."""

import numpy as np
import pytest
from shared import shared_path

from evals.calibrate_runs import PUBLISHED, covered, fit_runs, interval, publisher, read_runs, runs_left_out
from evals.calibrate_systems import error, fit, group_intervals, predict, read
from tools.systems.efficiency import PRIORS, calibration, effect_keys, resolve
from tools.systems.runs import predict_run


@pytest.fixture(scope="module")
def data():
    return read(shared_path("measured/training_throughput.csv"))


def test_the_table_has_570_pretraining_rows(data) -> None:
    assert len(data) == 570


def test_a_source_left_out_is_predicted(data) -> None:
    rest, held = np.flatnonzero(data.source != "internevo"), data.subset(np.flatnonzero(data.source == "internevo"))
    effects = fit(data.subset(rest), calibration()["effects"], evaluations=3)
    median, tail = error(held.log_seconds - predict(held, effects))
    assert median < 0.14
    assert tail < 0.42


def test_the_shipped_effects_are_what_the_command_would_write(data) -> None:
    again = fit(data, calibration()["effects"], evaluations=2)
    moved = np.abs(predict(data, again) - predict(data, calibration()["effects"]))
    assert np.quantile(moved, 0.9) < 0.03


def test_few_rows_stay_near_the_general_value(data) -> None:
    few = data.subset(np.flatnonzero(data.source == "tinyllama"))
    effects = fit(few, evaluations=5)
    sd = PRIORS["matmul"][2]
    assert abs(effects["matmul@ampere"]) < sd
    assert resolve(effects, "cdna3", "other")["matmul"] == pytest.approx(np.exp(effects["matmul"]))


def test_effect_keys_name_general_parent_generation_and_family() -> None:
    assert effect_keys("fp8", "hopper", "fsdp") == ("fp8", "fp8@nvidia", "fp8@hopper", "fp8@fsdp")


def test_intervals_of_small_groups_are_wider() -> None:
    rng = np.random.default_rng(3)
    residuals = rng.normal(0, 0.2, 205)
    groups = ["big"] * 200 + ["small"] * 5
    source = np.array([f"s{i % 20}" for i in range(205)])
    table = group_intervals(groups, residuals, source)
    assert table["small"][1] - table["small"][0] > table["big"][1] - table["big"][0]
    assert table["big"] == pytest.approx([-0.33, 0.33], abs=0.1)


def test_overheads_of_runs_are_recovered() -> None:
    rng = np.random.default_rng(5)
    flags = np.column_stack([np.ones(60), np.arange(60) % 2, np.arange(60) % 3 == 0, np.arange(60) % 5 == 0]).astype(float)
    effects = fit_runs(flags, flags @ np.array([0.4, -0.4, 0.2, 0.2]) + rng.normal(0, 0.05, 60))
    assert effects == pytest.approx([0.4, -0.4, 0.2, 0.2], abs=0.06)


def test_published_runs_lie_in_the_interval_made_without_their_publisher() -> None:
    runs = read_runs(PUBLISHED)  # the retyped table alone: the shared one may be absent
    assert len(runs.rows) >= 50
    assert covered(runs_left_out(runs), runs.publisher).mean() > 0.85


def test_llama_3_runs_lie_in_the_shipped_interval() -> None:
    for name, params, tokens, devices, hours in (
        ("llama-3.1-405b", 405.85e9, 15.6e12, 16384, 30.84e6),
        ("llama-3-70b", 70.6e9, 15e12, "", 6.4e6),
        ("llama-3-8b", 8.03e9, 15e12, "", 1.3e6),
    ):
        row = {
            "model": name,
            "params_total": params,
            "tokens": tokens,
            "seq_len": 8192,
            "accelerator": "h100-sxm",
            "n_accelerators": devices,
        }
        found = predict_run(row)
        assert found.low < hours < found.high, name


def test_one_publisher_does_not_make_the_interval() -> None:
    residuals = np.concatenate([np.full(50, 0.9), np.linspace(-0.3, 0.3, 40)])
    publishers = np.array(["many"] * 50 + [f"p{i}" for i in range(40)])
    assert interval(residuals, publishers)[0] < -0.2
    assert interval(residuals, publishers)[1] < 0.9


def test_publishers_are_told_apart() -> None:
    row = {"source": "cli99/llm-analysis:figures/llama-table-15.png (arXiv:2302.13971 Table 15)", "model": "BLOOM-176B"}
    assert publisher(row) == "bigscience"
    assert publisher({**row, "model": "OPT-175B"}) == "meta"
    assert publisher({"source": "https://www.mosaicml.com/blog/mpt-7b", "model": "MPT-7B"}) == "mosaic"
    assert publisher({"source": "", "model": "x", "publisher": "ai2"}) == "ai2"
