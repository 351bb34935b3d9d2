"""Mixtures of experts, weight sparsity, vocabulary and parallel streams: published numbers, monotonicity and bad input."""

import numpy as np
import pytest

from knowledge import InputError, LawBook, MissingInput
from tools.law import compute
from tools.registry import call
from tools.result import Result


def number(result: Result, key: str) -> float:
    return result.values[key].number


def test_moe_budget_reproduces_table_1():
    result = call("moe", {"compute_flops": 1e21})  # 32 experts are best without a memory limit
    assert result.values["recommendation"].value == "mixture of experts"
    assert number(result, "n_experts") == 32
    assert number(result, "params_active") == pytest.approx(2.85e9, rel=0.03)
    assert number(result, "tokens") == pytest.approx(5.84e10, rel=0.03)


@pytest.mark.parametrize(
    ("flops", "memory", "experts"), [(1e22, 8e10, 16), (1e22, 2.4e10, 4), (1e23, 2.4e10, 1), (1e24, 8e10, 1), (1e21, 8e10, 32)]
)
def test_moe_under_a_memory_limit_reproduces_table_2(flops: float, memory: float, experts: int):
    assert number(call("moe", {"compute_flops": flops, "memory_bytes": memory}), "n_experts") == experts


def test_moe_in_memory_fits_the_memory():
    result = call("moe", {"memory_bytes": 8e10, "weight_bits": 8.0})
    assert number(result, "params_total_limit") == 8e10
    assert all(row[3] < 8e10 for row in result.tables[0].rows)


def test_leverage_grows_with_compute_and_with_fewer_active_experts():
    layout = {"params_total": 2.36e11, "params_active": 2.1e10, "n_experts": 160.0, "experts_per_token": 6.0}
    small, large = (number(call("moe", {**layout, "compute_flops": c}), "efficiency_leverage") for c in (1e21, 1e23))
    assert small < large
    assert number(call("moe", {**layout, "experts_per_token": 12.0}), "efficiency_leverage") < number(
        call("moe", layout), "efficiency_leverage"
    )


def test_moe_beats_dense_of_its_active_size():
    result = call("moe", {"params_total": 4.7e10, "params_active": 1.3e10, "n_experts": 8.0, "experts_per_token": 2.0, "tokens": 2e12})
    assert number(result, "loss_gain") > 0
    assert 1.3e10 < number(result, "dense_equivalent_params") < 4.7e10
    clark = call("moe", {"params_active": 5e6, "tokens": 1.3e11, "n_experts": 128.0, "experts_per_token": 1.0, "law": "clark2022_routed"})
    assert clark.headline[0] == "dense_equivalent_params"
    assert number(clark, "dense_equivalent_params") == pytest.approx(5.5e7, rel=0.05)


def test_size_stated_as_a_total_is_split_by_the_layout():
    result = call("moe", {"params_total": 5e10, "n_experts": 8.0, "experts_per_token": 1.0})
    active = number(result, "params_active")
    total = compute(LawBook().get("ludziejewski2025_joint_moe"), "params", {"N_act": active, "E": 8.0})["N_total"]
    assert float(total) == pytest.approx(5e10, rel=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"params_active": 2e9, "params_total": 1e9},
        {"n_experts": 4.0, "experts_per_token": 8.0, "compute_flops": 1e22},
        {"compute_flops": -1.0},
    ],
)
def test_contradictory_moe_is_refused(fields: dict[str, float]):
    with pytest.raises(InputError):
        call("moe", fields)


def test_memory_in_which_nothing_fits_is_refused():
    with pytest.raises(InputError, match="memory_bytes"):
        call("moe", {"memory_bytes": 1e6, "compute_flops": 1e21})


def test_moe_without_anything_is_asked_back():
    with pytest.raises(MissingInput):
        call("moe", {})


def test_optimal_sparsity_and_its_worth():
    result = call("sparsity", {"params_total": 8.5e7, "compute_flops": 1e21})
    assert number(result, "sparsity") == pytest.approx(0.7358, rel=0.002)
    half = call("sparsity", {"params_total": 1.3e10, "tokens": 1e12})
    assert number(half, "multiplier") == pytest.approx(1.587, rel=0.005)
    assert number(half, "dense_equivalent_params") == pytest.approx(6.5e9 * 1.587, rel=0.005)


def test_sparsity_beyond_the_fit_says_so():
    result = call("sparsity", {"params_total": 1e7, "compute_flops": 1e23})
    assert number(result, "sparsity") > 0.875
    assert any(w.level == "warning" for w in result.warnings)


def test_optimal_sparsity_is_the_numerical_minimum():
    card = LawBook().get("frantar2023_sparsity")
    S = np.linspace(0, 0.999, 200_001)
    D = 1e21 * (1 - S) / (6 * 8.5e7)
    losses = compute(card, "loss", {"S": S, "N": 8.5e7, "D": D})["L"]
    assert S[np.argmin(losses)] == pytest.approx(float(compute(card, "optimal_sparsity", {"N": 8.5e7, "C": 1e21})["S"]), abs=1e-4)


def test_pruning_window_of_jin():
    result = call("sparsity", {"law": "jin2025_average_params"})
    assert (number(result, "start_fraction"), number(result, "end_fraction")) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(3e9, (39368, 42539, 36648)), (7e9, (62281, 67450, 59548)), (7e10, (211860, 230861, 217961)), (3e11, (355894, 389324, 383659))],
)
def test_vocabulary_reproduces_the_papers_table(size: float, sizes: tuple[int, int, int]):
    result = call("vocabulary", {"params_total": size})
    assert [alternative.values["vocab_size"].number for alternative in result.alternatives] == pytest.approx(sizes, rel=0.005)
    assert result.values["vocab_size"].low == pytest.approx(min(sizes), rel=0.005)


def test_vocabulary_verdicts_and_trained_longer():
    assert call("vocabulary", {"params_total": 1e9, "vocab_size": 128000.0}).values["verdict"].value == "too large"
    assert call("vocabulary", {"params_total": 7e10, "vocab_size": 32000.0}).values["verdict"].value == "too small"
    assert number(call("vocabulary", {"params_total": 7e9, "tokens": 2e12}), "vocab_size") > number(
        call("vocabulary", {"params_total": 7e9, "tokens": 1.4e11}), "vocab_size"
    )
    with pytest.raises(MissingInput):
        call("vocabulary", {"vocab_size": 32000.0})


def test_parallel_streams_are_worth_the_published_multiples():
    result = call("parallel_scaling", {"params_total": 1e9})
    for streams, text, code in ((2, 1.23, 1.27), (4, 1.46, 1.55), (8, 1.70, 1.82)):
        value = result.values[f"equivalent_params_{streams}_streams"]
        assert value.number / 1e9 == pytest.approx(text, abs=0.006)
        assert value.high is not None
        assert value.high / 1e9 == pytest.approx(code, abs=0.006)
    assert any("42B tokens" in w.text for w in call("parallel_scaling", {"params_total": 3e9, "tokens": 1e12}).warnings)
    assert number(call("parallel_scaling", {"memory_bytes": 1.6e10, "weight_bits": 4.0}), "params_total") == 3.2e10


def test_a_sparsity_alone_has_its_dense_equivalent():
    result = call("sparsity", {"sparsity": 0.75})
    assert result.values["multiplier"].number == pytest.approx(2.16, rel=5e-3)  # Frantar et al. 2023, T5


def test_a_stated_activation_ratio_leads_with_the_leverage():
    result = call("moe", {"compute_flops": 1e22, "activation_ratio": 0.031, "granularity": 12})
    assert result.headline[0] == "efficiency_leverage"
    assert result.values["efficiency_leverage"].number == pytest.approx(7.24, rel=5e-3)  # Tian et al. 2025: over 7


def test_streams_multiply_the_params_whatever_the_size():
    result = call("parallel_scaling", {})
    assert result.values["multiple_8_streams"].number == pytest.approx(1.70, rel=5e-3)  # the Pile; code 1.82
    assert result.values["multiple_8_streams"].high == pytest.approx(1.82, rel=5e-3)
