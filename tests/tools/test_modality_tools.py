"""Diffusion, video, multimodal, translation, time series and science: published numbers, directions, bad input."""

from __future__ import annotations

import pytest

from knowledge.errors import InputError, MissingInput
from tools.registry import call
from tools.result import Result


def number(result: Result, key: str) -> float:
    value = result.values[key].value
    assert isinstance(value, int | float)
    return float(value)


@pytest.mark.parametrize(
    ("task", "fields", "key", "expected"),
    [
        ("diffusion", {"compute_flops": 1e20, "law": "liang2024_dit"}, "params_total", 2.071e8),
        ("diffusion", {"compute_flops": 1e20}, "tokens", 8.119e10),
        ("diffusion", {"compute_flops": 1.5e21}, "params_total", 958.3e6),  # the paper's own run
        ("diffusion", {"law": "esser2024_sd3"}, "clip_drop_percent", 0.14),
        ("diffusion", {"depth": 15, "sampling_steps": 5}, "clip_drop_percent", 4.3),
        ("video", {"law": "yin2024_videodit"}, "params_ratio", 2.598),
        ("video", {"compute_ratio": 2}, "params_ratio", 1.333),
        ("video", {"law": "yin2024_videodit"}, "size_reduction", 0.399),
        ("multimodal", {"law": "cherti2023_clip"}, "error", 0.2697),
        ("multimodal", {"gmac_per_sample": 190.97, "samples_seen": 34215895056}, "accuracy", 0.78108),  # ViT-H/14, printed prediction
        ("multimodal", {"law": "henighan2020", "compute_flops": 8.64e20}, "params_nonembedding", 9.275e8),
        ("time_series", {"params_total": 1e8, "law": "yao2024_tsfm"}, "nll", 1.772),
        ("translation", {"params_total": 1e9, "encoder_exponent": 0.1, "decoder_exponent": 0.3}, "params_encoder", 2.5e8),
        ("translation", {"sampling_weight": 0.1}, "loss_ratio", 1.778),
        ("science", {"topic": "molecules"}, "gain_from_size_percent", 30.25),
        ("science", {"law": "chevalier2025_teddy"}, "published_samples", 1.16e8),
    ],
)
def test_published_numbers(task: str, fields: dict[str, object], key: str, expected: float) -> None:
    assert number(call(task, fields), key) == pytest.approx(expected, rel=0.01)


def test_a_compute_in_flop_reaches_the_clip_law_as_forward_gmac() -> None:
    by_flop = call("multimodal", {"compute_flops": 6e21})
    by_gmac = call("multimodal", {"forward_gmac": 1e12})
    assert number(by_flop, "error") == pytest.approx(number(by_gmac, "error"))
    assert any(item.field == "flops_per_forward_gmac" for item in by_flop.assumptions)


def test_more_compute_buys_size_tokens_and_quality() -> None:
    small, large = (call("diffusion", {"compute_flops": C}) for C in (1e19, 1e20))
    for key in ("params_total", "tokens"):
        assert number(large, key) > number(small, key)
    for key in ("diffusion_loss", "fid_clip"):
        assert number(large, key) < number(small, key)
    assert number(call("multimodal", {"compute_flops": 1e22}), "error") < number(call("multimodal", {"compute_flops": 1e21}), "error")


def test_budget_and_size_are_inverse() -> None:
    size = number(call("diffusion", {"compute_flops": 3e20}), "params_total")
    assert number(call("diffusion", {"params_total": size}), "compute_flops") == pytest.approx(3e20, rel=1e-6)


def test_video_shows_both_readings_of_open_units() -> None:
    plan = call("video", {"compute_flops": 1e22}).values["params_total"]
    assert plan.low == pytest.approx(0.64e9)
    assert plan.value == pytest.approx(2.087e9, rel=1e-3)
    hyper = call("video", {"params_total": 1.07e9, "tokens": 1e10})
    assert hyper.values["batch_tokens"].low == pytest.approx(1.42e5, rel=0.01)
    assert hyper.values["batch_tokens"].high == pytest.approx(5.3e5, rel=0.01)
    assert hyper.values["learning_rate"].high == pytest.approx(1.8e-4, rel=0.02)
    assert hyper.values["learning_rate"].low == pytest.approx(5.8e-5, rel=0.02)


def test_video_scales_a_tuned_run_by_ratios() -> None:
    anchor = {"anchor_params": 1e8, "anchor_tokens": 1e9, "anchor_batch_tokens": 1e5, "anchor_learning_rate": 1e-3}
    result = call("video", {"params_total": 1e9, "tokens": 1e10, **anchor})
    assert number(result, "batch_tokens") == pytest.approx(1e5 * 6.427 * 1.551, rel=0.002)
    assert number(result, "learning_rate") == pytest.approx(1e-3 * 0.9009 * 0.6888, rel=0.002)


def test_clip_or_mammut_by_compute() -> None:
    result = call("multimodal", {})
    crossing = number(result, "crossover_compute_flops")
    assert 1e20 < crossing < 4e20
    rows = result.tables[0].rows
    assert [row[3] for row in rows] == ["CLIP" if float(row[0] or 0) < crossing else "MaMMUT" for row in rows]


def test_a_wrong_split_costs_and_the_best_does_not() -> None:
    best = call("translation", {"params_total": 1e9, "encoder_share": 0.5})
    assert number(best, "split_penalty") == pytest.approx(1.0)
    assert number(call("translation", {"params_total": 1e9, "encoder_share": 0.8}), "split_penalty") > 1.05


def test_data_for_a_forecaster_balances_its_size() -> None:
    points = number(call("time_series", {"params_total": 1e8}), "tokens_for_size")
    both = call("time_series", {"params_total": 1e8, "tokens": points})
    assert number(both, "nll_size") == pytest.approx(number(both, "nll_data"))
    assert number(call("time_series", {"params_total": 1e8, "architecture": "decoder-only"}), "nll") > number(both, "nll")


def test_both_architectures_are_shown_unless_one_is_named() -> None:
    both = call("time_series", {"params_total": 5e7})
    assert number(both, "nll_decoder") > number(both, "nll")
    assert both.headline[:2] == ["nll", "nll_decoder"]
    assert "nll_decoder" not in call("time_series", {"params_total": 5e7, "architecture": "encoder-only"}).values


def test_science_names_its_field_so_that_findings_can_be_raised() -> None:
    for fields, topic in (
        ({"compute_flops": 1e20}, "atoms"),
        ({"params_total": 1e9}, "molecules"),
        ({}, "cells"),
        ({"architecture": "crystal diffusion"}, "materials"),
    ):
        assert call("science", fields).values["topic"].value == topic


def test_every_value_of_a_law_carries_its_source() -> None:
    for task, fields in (
        ("diffusion", {"compute_flops": 1e20}),
        ("video", {"compute_flops": 1e22}),
        ("multimodal", {"compute_flops": 1e21}),
        ("translation", {"params_total": 1e9}),
        ("time_series", {"params_total": 1e8}),
        ("science", {"params_total": 1e9}),
    ):
        result = call(task, fields)
        assert result.headline
        assert all(key in result.values for key in result.headline)
        assert all(value.source and value.formula for value in result.values.values() if value.law and value.relation)


def test_money_and_hours_become_compute() -> None:
    result = call("diffusion", {"accelerator_hours": 1000, "accelerator": "h100-sxm", "mfu": 0.4})
    assert number(result, "compute_flops") == pytest.approx(1000 * 3600 * 989.4e12 * 0.4, rel=0.01)


@pytest.mark.parametrize(
    ("task", "fields"),
    [("diffusion", {}), ("video", {}), ("time_series", {}), ("multimodal", {"modality": "image_32x32"})],
)
def test_what_cannot_be_computed_says_what_it_needs(task: str, fields: dict[str, object]) -> None:
    with pytest.raises(MissingInput, match="needs more"):
        call(task, fields)


@pytest.mark.parametrize(
    ("task", "fields", "word"),
    [
        ("diffusion", {"compute_flops": -1}, "compute_flops"),
        ("diffusion", {"compute_flops": float("nan")}, "compute_flops"),
        ("multimodal", {"modality": "smells", "compute_flops": 1e20}, "modality"),
        ("multimodal", {"target_error": 1.5}, "target_error"),
        ("time_series", {"params_total": 0}, "params_total"),
        ("science", {"topic": "tea"}, "topic"),
    ],
)
def test_bad_input_names_the_field(task: str, fields: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        call(task, fields)


def test_henighan_answers_for_video_and_images_when_named() -> None:
    video = call("video", {"law": "henighan2020", "compute_flops": 8.64e19})
    assert number(video, "params_nonembedding") == pytest.approx(3.0e8, rel=0.03)  # one PF-day
    image = call("diffusion", {"law": "henighan2020", "compute_flops": 8.64e19, "modality": "image_16x16"})
    assert number(image, "params_nonembedding") == pytest.approx(3.08e8, rel=0.02)
    assert number(call("multimodal", {"modality": "image_32x32", "params_total": 1e8}), "loss") == pytest.approx(2.2 + (1e8 / 63) ** -0.13)


def test_the_benchmark_and_the_data_choose_the_clip_line() -> None:
    openai = call("multimodal", {"forward_gmac": 1e12, "benchmark": "vtab", "training_data": "openai"})
    assert number(openai, "error") == pytest.approx(5.5572 * 1e12**-0.0908)
    wanted = call("multimodal", {"target_error": 0.25})
    assert number(call("multimodal", {"forward_gmac": number(wanted, "forward_gmac")}), "error") == pytest.approx(0.25)


def test_shares_of_a_translator_need_no_size() -> None:
    result = call("translation", {})
    assert number(result, "encoder_share") == pytest.approx(0.5)
    assert number(call("translation", {"sampling_weight": 0.1}), "loss_ratio") == pytest.approx(1.778, rel=1e-3)  # 0.1^-0.25


def test_image_text_models_by_name_and_samples() -> None:
    result = call("multimodal", {"samples_seen": 13034626688, "architecture": "ViT-L/14"})
    assert result.headline == ["error_vit_l_14"]
    assert 1 - number(result, "error_vit_l_14") == pytest.approx(0.73417, rel=5e-4)  # LAION-AI/scaling-laws-openclip, figures.ipynb
    assert 1 - number(result, "error_vit_h_14") < 0.7811  # the published ViT-H/14 saw 34e9 samples


def test_a_likelihood_that_nothing_reaches_gives_no_size() -> None:
    values = call("time_series", {"params_total": 3e7, "architecture": "encoder", "target_loss": 30.0}).values
    assert "params_for_loss" not in values
    assert "nll" in values
