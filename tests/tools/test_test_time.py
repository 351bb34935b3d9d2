import numpy as np
import pytest

from knowledge import InputError, LawBook, MissingInput
from tools._law_values import law_numbers, number
from tools.registry import call


def test_coverage_starts_at_the_stated_rate_and_stays_below_independence():
    result = call("test_time", {"pass_rate": 0.12, "samples": 100})
    value, bound = result.values["pass_at_k"], result.values["upper_bound"]
    assert 0.12 < value.low < number(value) < value.high < number(bound) <= 1
    one = call("test_time", {"pass_rate": 0.12, "samples": 1}).values["pass_at_k"]
    assert number(one) == pytest.approx(0.12)


def test_samples_for_a_share_invert_the_coverage():
    samples = number(call("test_time", {"pass_rate": 0.05}).values["samples"])
    assert number(call("test_time", {"pass_rate": 0.05, "samples": samples}).values["pass_at_k"]) == pytest.approx(0.5, rel=1e-6)


def test_published_mixture_of_easy_and_hard_tasks():
    fields = {"pass_rate": 0.559, "pass_rates": [0.87, 0.13], "shares": [0.58, 0.42], "soundness": 0.75}
    mild = call("test_time", {**fields, "wrong_value": -0.7}).values
    assert (mild["best_attempts"].value, number(mild["best_value"])) == (3, pytest.approx(0.5246, rel=0.01))
    assert call("test_time", fields).values["best_attempts"].value == 2
    assert number(mild["accuracy_limit"]) == pytest.approx(0.7162, rel=0.001)


def test_below_the_needed_soundness_resampling_does_not_pay():
    needed = number(call("test_time", {"pass_rate": 0.05}).values["soundness_needed"])
    worse, better = (
        call("test_time", {"pass_rate": 0.05, "soundness": needed + shift}).values["best_attempts"].value for shift in (-0.02, 0.02)
    )
    assert worse == 0
    assert better > 1


def test_cost_of_self_consistency():
    result = call("test_time", {"samples": 32, "output_tokens": 1500, "params_total": 1.4e10})
    assert number(result.values["inference_flops"]) == pytest.approx(2 * 1.4e10 * 32 * 1500)
    assert number(result.values["kinetics_total"]) > number(result.values["inference_flops"])
    longer = call("test_time", {"samples": 32, "output_tokens": 3000, "params_total": 1.4e10})
    assert number(longer.values["kinetics_memory"]) == pytest.approx(4 * number(result.values["kinetics_memory"]), rel=1e-6)


def test_size_or_samples():
    result = call("test_time", {"params_total": 8e9, "tokens": 1e12, "inference_tokens": 1e12})
    assert number(result.values["inference_factor"]) == pytest.approx(53)
    assert call("test_time", {"params_total": 8e9, "tokens": 1e12, "inference_tokens": 1e14}).values["advice"].value == "a larger model"


def test_unbiased_pass_at_k_against_enumeration():
    # 5 samples, 2 right: 3 of the 10 pairs hold none of the right ones
    assert float(law_numbers(LawBook(), "brown2024_monkeys", "pass_at_k", {"N": 5, "C": [2], "k": 2})["pass_at_k"]) == pytest.approx(0.7)


def test_verifier_model_against_simulation():
    rng = np.random.default_rng(3)
    r, s, c, k = 0.3, 0.8, 0.9, 4
    right = rng.random((200_000, k)) < r
    accepted = np.where(right, rng.random(right.shape) < c, rng.random(right.shape) > s)
    first = accepted.argmax(axis=1)
    share = (accepted.any(axis=1) & right[np.arange(len(right)), first]).mean()
    law = law_numbers(LawBook(), "stroebl2024_flaws", "accuracy", {"r": r, "completeness": c, "soundness": s, "K": k})["accuracy_K"]
    assert float(law) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"samples": 5}, MissingInput),
        ({"pass_rate": 1.2}, InputError),
        ({"pass_rate": 0.0}, InputError),
        ({"pass_rate": 0.3, "soundness": 0.7, "pass_rates": [0.1, 0.5], "shares": [0.5, 0.6]}, InputError),
    ],
)
def test_bad_input(fields, error):
    with pytest.raises(error):
        call("test_time", fields)


def test_a_published_model_answers_by_its_own_fit():
    result = call("test_time", {"model": "pythia-12b", "samples": 10000})
    assert result.values["coverage_pythia_12b"].number == pytest.approx(0.8748, rel=0.01)  # authors' counts
    with pytest.raises(MissingInput):
        call("test_time", {"model": "llama-3-70b", "samples": 100})
