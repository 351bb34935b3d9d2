"""The calibration command: deterministic, shrinks to its priors, and holds on a source it has not seen."""

import numpy as np
import pytest
from shared import shared_path

from evals.calibrate_systems import error, fit, fit_runs, group_intervals, predict, read
from tools.systems.efficiency import PRIORS, calibration, effect_keys, resolve


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
