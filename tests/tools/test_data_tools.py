"""Repeated, filtered, mixed and synthetic data: published numbers, monotonicity and bad input."""

import numpy as np
import pytest

from knowledge import InputError, LawBook, MissingInput
from tools.law import compute
from tools.registry import call
from tools.result import Result


def number(result: Result, key: str) -> float:
    return result.values[key].number


def test_optimal_epochs_reproduce_the_papers_grid_search():
    result = call("repeat_data", {"compute_flops": 1e22, "unique_tokens": 2.5e10})
    assert number(result, "epochs") == pytest.approx(9.49, rel=0.02)
    assert number(result, "params_total") == pytest.approx(7.02e9, rel=0.02)
    assert number(result, "tokens") == pytest.approx(2.373e11, rel=0.02)


def test_four_epochs_are_worth_93_percent_of_fresh_tokens():
    result = call("repeat_data", {"unique_tokens": 1e11, "tokens": 4e11, "params_total": 7e9})
    assert number(result, "share_of_fresh") == pytest.approx(0.9314, rel=1e-3)
    assert number(result, "effective_tokens") == pytest.approx(3.726e11, rel=1e-3)
    assert 0 < number(result, "loss_penalty") < 0.02
    low, high = result.values["share_of_fresh"].low, result.values["share_of_fresh"].high
    assert low is not None
    assert high is not None
    assert low < number(result, "share_of_fresh") < high


def test_more_unique_tokens_never_hurt():
    epochs = [number(call("repeat_data", {"compute_flops": 1e22, "unique_tokens": u}), "epochs") for u in (1e10, 3e10, 1e11, 1e12)]
    gains = [number(call("repeat_data", {"compute_flops": 1e22, "unique_tokens": u}), "loss_penalty") for u in (1e10, 3e10, 1e11, 1e12)]
    assert epochs == sorted(epochs, reverse=True)
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] == pytest.approx(0, abs=1e-6)


def test_44_epochs_warn_that_the_law_fails():
    result = call("repeat_data", {"unique_tokens": 1e9, "tokens": 4.4e10})
    assert any(w.level == "warning" and "40 epochs" in w.text for w in result.warnings)
    assert not any(w.level == "warning" for w in call("repeat_data", {"unique_tokens": 1e9, "tokens": 2e9}).warnings)


def test_the_repeated_subset_answers_by_name():
    assert number(call("repeat_data", {"params_total": 8e8, "law": "hernandez2022_repeated"}), "equivalent_params") == 4e8


def test_repetition_without_unique_tokens_is_asked_back():
    with pytest.raises(MissingInput, match="unique_tokens"):
        call("repeat_data", {"params_total": 1e9})


@pytest.mark.parametrize(
    "fields",
    [
        {"unique_tokens": -1.0, "tokens": 1e9},
        {"unique_tokens": 0.0},
        {"unique_tokens": float("nan")},
        {"unique_tokens": 1e9, "epochs": 0.5},
    ],
)
def test_bad_amounts_are_refused(fields: dict[str, float]):
    with pytest.raises(InputError):
        call("repeat_data", fields)


def test_filter_leaves_enough_for_four_epochs():
    result = call("filter_data", {"tokens": 3e11, "unique_tokens": 1e12})
    assert number(result, "unique_tokens_needed") == pytest.approx(7.4e10, rel=0.01)
    assert number(result, "keep_fraction") == pytest.approx(0.074, rel=0.01)
    assert number(call("filter_data", {"tokens": 3e13, "unique_tokens": 1e12}), "keep_fraction") == 1.0


def test_turning_points_of_filtering_answer_by_law():
    result = call("filter_data", {"law": "goyal2024_qqt"})
    assert number(result, "crossover_samples") == 4.5e8
    assert number(result, "crossover_epochs") == 40
    with pytest.raises(MissingInput):
        call("filter_data", {})


@pytest.mark.parametrize(("size", "share"), [(4.6e8, 0.298), (9.4e8, 0.349), (1.6e9, 0.414), (3.1e9, 0.478)])
def test_critical_mixture_ratio_at_the_published_sizes(size: float, share: float):
    result = call("mix_data", {"params_total": size, "tokens": 2e10, "law": "gu2024_cmr"})
    assert number(result, "domain_share") == pytest.approx(share, rel=0.003)


def test_critical_mixture_ratio_is_not_interpolated_over_size():
    result = call("mix_data", {"params_total": 7e9, "tokens": 2e10, "law": "gu2024_cmr"})
    assert "domain_share" not in result.values
    assert len(result.headline) == 4
    assert number(call("mix_data", {"params_total": 4.6e8, "tokens": 1e9, "law": "gu2024_cmr"}), "domain_share") == 0.0


def test_best_mixture_is_a_mixture_and_beats_others():
    card = LawBook().get("ye2024_mixing")
    weights = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    best = compute(card, "best_mixture", {"s": weights})
    assert best["r"].sum() == pytest.approx(1, abs=1e-9)
    assert best["r"].min() >= 0
    others = np.random.default_rng(0).dirichlet(np.ones(5), 2000)
    assert compute(card, "total", {"r": others, "s": weights})["total"].min() > best["total"]


def test_mixing_law_needs_about_twenty_small_runs():
    assert number(call("mix_data", {}), "small_runs") == 20


def test_generated_data_stop_helping_and_generations_add_up():
    result = call("synthetic_data", {"tokens": 1e12, "unique_tokens": 2e11, "generations": 6.0})
    assert number(result, "useful_synthetic_tokens") == 2e11
    assert number(result, "generation_growth") == pytest.approx(6)
    errors = [row[1] for row in result.tables[0].rows]
    assert errors == sorted(errors, reverse=True)


def test_synthetic_images_help_below_half_a_million():
    assert number(call("synthetic_data", {"law": "fan2023_synthetic_images"}), "real_images_threshold") == 500_000


def test_a_law_that_does_not_bear_on_the_question_is_said_to_be_unused():
    fields = {"unique_tokens": 1e10, "tokens": 4e10}
    result = call("repeat_data", {**fields, "law": "kaplan2020"})
    assert "kaplan2020" in result.warnings[0].text
    assert not any("does not bear" in w.text for w in call("repeat_data", {**fields, "law": "muennighoff2023"}).warnings)
    with pytest.raises(InputError, match="muennighoff2023"):
        call("repeat_data", {**fields, "law": "muenighoff2023"})


def test_the_worth_of_epochs_needs_no_amount_of_data():
    result = call("repeat_data", {"epochs": 10})
    assert number(result, "share_of_fresh") == pytest.approx(0.781, rel=1e-3)
    assert number(call("repeat_data", {}), "epochs_without_loss") == pytest.approx(4.0, rel=0.02)
    assert len(result.tables[0].columns) == 3
