"""Exact accounting: parameters against published counts, FLOPs against worked conventions."""

import pytest

from knowledge.shapes import ModelShape, model, models
from tools.systems.design import design_shape
from tools.systems.flops import count_params, flops_per_token, mean_span


@pytest.mark.parametrize("name", [name for name, shape in models().items() if shape.params_total])
def test_total_parameters_match_the_published_count(name: str) -> None:
    shape = model(name)
    assert count_params(shape).total == pytest.approx(shape.params_total, rel=shape.params_tolerance)


def test_nearly_all_models_are_within_half_a_percent() -> None:
    off = [abs(count_params(shape).total / shape.params_total - 1) for shape in models().values() if shape.params_total]
    assert sum(miss <= 0.005 for miss in off) >= 0.95 * len(off)
    assert max(off) < 0.01


@pytest.mark.parametrize(
    ("name", "active"),
    [("mixtral-8x7b", 12.88e9), ("deepseek-v3", 37.55e9), ("qwen3-235b-a22b", 22.19e9)],
)
def test_active_parameters(name: str, active: float) -> None:
    assert count_params(model(name)).active == pytest.approx(active, rel=0.005)


def test_llama_405b_takes_2_52_tflop_per_token_at_8k_causal() -> None:
    # what Megatron-Bridge counts for this model: attention halved, output layer counted, input table not
    assert flops_per_token(model("llama-3.1-405b"), 8192).model == pytest.approx(2.52e12, rel=0.005)


def test_gpt3_matches_the_megatron_formula() -> None:
    # Narayanan et al. 2021, eq. 3 without recomputation: 72 B s L d^2 (1 + s/6d + V/(12 L d)) with the head at full cost
    shape = model("gpt-3-175b")
    L, d, s, V = shape.layers, shape.hidden, 2048.0, shape.vocab
    expected = 72 * L * d * d * (1 + s / (6 * d) + V / (12 * L * d))
    assert flops_per_token(shape, s, causal=False).model == pytest.approx(expected, rel=1e-3)
    full = flops_per_token(shape, s, causal=False, recompute="full")
    assert full.hardware / full.model == pytest.approx(4 / 3, rel=0.005)


def test_selective_recomputation_repeats_the_attention_core_only() -> None:
    shape = model("llama-3-8b")
    assert flops_per_token(shape, 8192, recompute="selective").recompute == pytest.approx(
        4 * shape.layers * shape.heads * shape.head_dim * 4096
    )


def test_a_window_bounds_the_span() -> None:
    shape = ModelShape(
        layers=4, hidden=512, heads=8, kv_heads=8, head_dim=64, ffn_hidden=2048, vocab=1000, sliding_window=1024, sliding_window_layers=2
    )
    windowed = 1024 - 1024**2 / (2 * 8192)
    assert mean_span(shape, 8192) == pytest.approx((windowed + 4096) / 2)
    assert mean_span(shape, 1024) == 512


@pytest.mark.parametrize("size", [1e8, 3e8, 1e9, 7e9, 13e9, 70e9, 405e9, 1e12])
def test_a_designed_shape_has_the_size_asked_for(size: float) -> None:
    shape = design_shape(size)
    assert count_params(shape).total == pytest.approx(size, rel=0.025)
    assert shape.heads % shape.kv_heads == 0
    assert 30 < shape.hidden / shape.layers < 180


def test_a_designed_mixture_has_both_counts() -> None:
    count = count_params(design_shape(236e9, params_active=21e9))
    assert count.total == pytest.approx(236e9, rel=0.03)
    assert count.active == pytest.approx(21e9, rel=0.05)
