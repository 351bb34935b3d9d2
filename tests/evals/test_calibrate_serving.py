"""The serving calibration: recovers what made the data, is what the command makes, and its intervals are conformal."""

import itertools

import numpy as np
import pytest
from shared import shared_path

from evals.calibrate_serving import configurations, fit, predict, read, read_csv, select
from evals.serving_report import anchor
from tools.systems.serving_efficiency import PRIORS, calibration, effect_keys, resolve
from tools.systems.serving_interval import quantiles


def rows(measured: str = "100") -> list[dict[str, str]]:
    grid = itertools.product(("Llama-3-8B", "Llama-2-7B", "Llama-3-70B"), ("1", "8", "64"), ("128", "1024"), ("H100-SXM", "MI300X"))
    return [
        {
            "id": f"row-{i}",
            "source": "made",
            "source_group": f"made-{part}",
            "model": name,
            "params_total": "",
            "precision": "bf16",
            "weight_bits": "16",
            "accelerator": part,
            "n_accelerators": "4",
            "tp": "4",
            "framework": "vLLM",
            "scenario": "static batch",
            "batch_or_concurrency": batch,
            "input_len": length,
            "output_len": length,
            "output_tokens_per_s_total": measured,
            "ttft_ms": "",
        }
        for i, (name, batch, length, part) in enumerate(grid)
    ]


def test_a_fit_recovers_the_efficiencies_that_made_the_data() -> None:
    data = read(rows())
    truth = {name: float(np.log(prior[0])) for name, prior in PRIORS.items()} | {
        "bandwidth@amd": -0.25,
        "host@vllm": 0.8,
        "compute@nvidia": 0.2,
    }
    data.rate = np.exp(predict(data, truth)[: len(data.rate)])
    effects = fit(data)
    error = np.abs(np.expm1(predict(data, effects)[: len(data.rate)] - np.log(data.rate)))
    untuned = np.abs(np.expm1(predict(data, {name: truth[name] for name in PRIORS})[: len(data.rate)] - np.log(data.rate)))
    assert np.median(untuned) > 0.08
    assert np.median(error) < 0.02


def test_a_family_never_seen_falls_back_on_its_generation() -> None:
    effects = {"bandwidth": -0.3, "bandwidth@nvidia": -0.1, "bandwidth@hopper": 0.05, "bandwidth@vllm": -0.2}
    assert resolve(dict.fromkeys(PRIORS, 0.0) | effects, "hopper", "new thing")["bandwidth"] == pytest.approx(np.exp(-0.35))
    assert effect_keys("bandwidth", "hopper", "vllm")[:4] == ("bandwidth", "bandwidth@nvidia", "bandwidth@hopper", "bandwidth@vllm")


def test_folds_keep_a_configuration_together() -> None:
    data = read(rows())
    folds = configurations(data)
    for data_fold in np.unique(folds):
        assert 0 < select(data, folds == data_fold).rate.size < data.rate.size
    by_model = {(case.part_id, case.replicas[0].layers, case.replicas[0].always_bytes): set() for case in data.cases}
    for case, fold in zip(data.cases, folds, strict=True):
        by_model[case.part_id, case.replicas[0].layers, case.replicas[0].always_bytes].add(fold)
    assert all(len(found) == 1 for found in by_model.values())


@pytest.mark.parametrize("n", [40, 400])
def test_quantiles_cover_new_draws(n: int) -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(400):
        low, high = quantiles(rng.standard_normal(n))
        draw = rng.standard_normal()
        inside.append(low <= draw <= high)
    assert 0.86 < np.mean(inside) < 0.95


def test_sources_count_alike() -> None:
    residuals = np.concatenate([np.zeros(1000), np.ones(10)])
    groups = np.array(["big"] * 1000 + ["small"] * 10)
    assert quantiles(residuals)[1] == 0.0
    assert quantiles(residuals, groups)[1] == 1.0


def test_the_anchor_is_bytes_over_seventy_percent_of_the_bandwidth() -> None:
    row = {"accelerator": "H100-SXM", "params_total": "8e9", "weight_bits": "16", "batch_or_concurrency": "1", "n_accelerators": "2"}
    assert np.exp(anchor([row])[0]) == pytest.approx(0.7 * 3.35e12 * 2 / 16e9)
    assert np.isnan(anchor([row | {"batch_or_concurrency": ""}])[0])


def test_the_shipped_calibration_is_what_the_command_makes() -> None:
    data = read(read_csv(shared_path("measured/inference_measured.csv")))
    effects = calibration()["effects"]
    shipped, fresh = predict(data, effects), predict(data, fit(data, iterations=2, start=effects))  # at an optimum a step leads nowhere
    assert calibration()["rows"] == int(np.isfinite(data.rate).sum())
    assert np.abs(shipped - fresh)[: len(data.rate)].max() < 0.02
