"""Allocation: published optima, the closed form against the numeric optimum, every way of asking, bad input."""

import math

import pytest

from knowledge import InputError, LawBook, MissingInput
from tools.registry import call
from tools.surface import surface


def values(**fields):
    return {key: value.value for key, value in call("allocate", fields).values.items()}


@pytest.mark.parametrize(
    ("law", "flops", "params", "tokens"),
    [
        (None, 1e22, 9.045e9, 1.843e11),
        ("besiroglu2024", 1e21, 2.778e9, 5.999e10),
        ("hoffmann2022", 1e23, 1.813e10, 9.195e11),
    ],
)
def test_optimum_of_a_budget(law, flops, params, tokens):
    got = values(compute_flops=flops, law=law)
    assert got["params_total"] == pytest.approx(params, rel=2e-3)
    assert got["tokens"] == pytest.approx(tokens, rel=2e-3)


def test_kaplan_counts_params_without_embeddings():
    got = values(compute_flops=2.16e23, law="kaplan2020")
    assert "params_total" not in got
    assert got["params_nonembedding"] == pytest.approx(3.93e11, rel=0.01)


@pytest.mark.parametrize("flops", [1e19, 1e21, 3e23, 1e26])
def test_closed_form_is_the_numeric_optimum(flops):
    law = surface(LawBook())
    closed = float(law.best_params(flops))
    root = (flops / 6) ** 0.5
    numeric = float(law.minimise(lambda n: flops / (6 * n), root * 1e-3, root * 1e3))
    assert numeric == pytest.approx(closed, rel=1e-5)


def test_interval_holds_the_value_and_comes_from_draws():
    size = call("allocate", {"compute_flops": 1e22}).values["params_total"]
    assert size.low < size.value < size.high
    assert size.interval_basis == "bootstrap draws"


def test_repeating_limited_data_favours_fewer_epochs_than_a_larger_model_would_need():
    fresh, limited = values(compute_flops=1e22), values(compute_flops=1e22, unique_tokens=2e10)
    assert limited["epochs"] > 1
    assert limited["tokens"] < fresh["tokens"]
    assert limited["loss"] > fresh["loss"]


def test_unlimited_unique_tokens_change_nothing():
    assert values(compute_flops=1e21, unique_tokens=1e15)["params_total"] == pytest.approx(
        values(compute_flops=1e21)["params_total"], rel=1e-4
    )


def test_serving_demand_makes_the_model_smaller_at_equal_loss():
    plain, served = values(compute_flops=5e21), values(compute_flops=5e21, inference_tokens=2e12)
    assert served["params_total"] < plain["params_total"]
    assert served["loss"] == pytest.approx(plain["loss"], rel=1e-6)
    assert served["lifetime_flops"] < plain["compute_flops"] + 2 * plain["params_total"] * 2e12


def test_two_of_three_fix_the_third():
    assert values(compute_flops=1.2e22, tokens=5e11)["params_total"] == pytest.approx(4e9)
    assert values(compute_flops=1e23, tokens_per_param=100)["params_total"] == pytest.approx(math.sqrt(1e23 / 600))
    assert values(params_total=7e9, tokens=15e12)["compute_flops"] == pytest.approx(6.3e23)


def test_hardware_and_time_give_compute():
    got = values(n_accelerators=64, accelerator="a100-80gb", duration_seconds=3.6288e6, mfu=0.38)
    assert got["compute_flops"] == pytest.approx(64 * 3.6288e6 * 312e12 * 0.38)


def test_money_gives_compute_at_the_stated_price():
    got = values(budget_usd=50000, price_per_accelerator_hour_usd=2.1, accelerator="h100-sxm", mfu=0.4)
    assert got["compute_flops"] == pytest.approx(50000 / 2.1 * 3600 * 989.4e12 * 0.4)


def test_contradiction_names_both_numbers():
    result = call("allocate", {"compute_flops": 1e24, "n_accelerators": 1, "accelerator": "h100-sxm", "duration_seconds": 86400})
    conflict = next(notice for notice in result.warnings if notice.level == "conflict")
    assert "1e24" in conflict.text
    assert "8.55e19" in conflict.text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"compute_flops": -1e22}, "compute_flops"),
        ({"compute_flops": float("nan")}, "compute_flops"),
        ({"compute_flops": 1e22, "law": "no_such_law"}, "law"),
        ({"target_loss": 1.0}, "target_loss"),
        ({"n_accelerators": 8, "accelerator": "h900", "duration_seconds": 1e5}, "accelerator"),
    ],
)
def test_bad_input_names_its_field(fields, field):
    with pytest.raises(InputError) as caught:
        call("allocate", fields)
    assert caught.value.field == field


def test_nothing_to_go_on_says_what_would_do():
    with pytest.raises(MissingInput) as caught:
        call("allocate", {"accelerator": "h100-sxm"})
    assert ("compute_flops",) in caught.value.alternatives


def test_size_and_loss_are_named_and_measured_as_the_law_counts_them() -> None:
    values = call("allocate", {"compute_flops": 1e21, "law": "farseer2025"}).values
    assert values["loss"].unit == "bits/char"
    assert "params_total" not in values
    assert values["params_nonembedding"].quantity == "params_nonembedding"
    assert call("allocate", {"compute_flops": 1e21}).values["loss"].unit == "nats/token"


def test_laws_without_a_closed_optimum_answer_for_a_size_or_tokens_alone() -> None:
    book = LawBook()
    by_compute = call("allocate", {"law": "gemstones2025", "compute_flops": 1e21}, book)
    size = by_compute.values["params_total"].number
    by_size = call("allocate", {"law": "gemstones2025", "params_total": size}, book)
    assert by_size.values["tokens"].number == pytest.approx(by_compute.values["tokens"].number, rel=1e-4)


def test_a_law_of_repeated_data_takes_tokens_as_fresh_unless_told() -> None:
    fresh = call("allocate", {"law": "muennighoff2023", "compute_flops": 1e22})
    assert fresh.values["params_total"].number == pytest.approx(9.2183e9, rel=1e-3)  # the card's unlimited optimum
    limited = call("allocate", {"law": "muennighoff2023", "compute_flops": 1e22, "unique_tokens": 25e9})
    assert limited.values["params_total"].number == pytest.approx(7.02e9, rel=5e-3)  # datablations, README.md, grid search


def test_kaplan_answers_for_a_size_by_its_own_power_laws() -> None:
    tokens = call("allocate", {"law": "kaplan2020", "params_total": 1.3e9}).values["tokens"].number
    assert tokens == pytest.approx(2.0e10, rel=1e-3)  # N = 1.3e9 C^.73, D = 2e10 C^.27 at one PF-day


def test_laws_that_cannot_be_compared_at_a_budget_are_left_out_with_the_reason() -> None:
    result = call("compare_laws", {"laws": ["hoffmann2022", "muennighoff2023", "li2025_steplaw"], "compute_flops": 1e22})
    assert result.values["muennighoff2023_params_total"].number == pytest.approx(9.2183e9, rel=1e-3)
    # A law of settings is asked at the usual run of the compute, and that is told.
    assert result.values["li2025_steplaw_lr"].number == pytest.approx(
        call("hyperparameters", {"compute_flops": 1e22}).values["lr"].number, rel=0.15
    )
    assert {item.field for item in result.assumptions} == {"params_total", "tokens"}
    left_out = call("compare_laws", {"laws": ["hoffmann2022", "brown2024_monkeys"], "compute_flops": 1e22})
    assert any("brown2024_monkeys" in notice.text for notice in left_out.warnings)


def test_a_size_reaches_a_loss_on_as_many_tokens_as_the_surface_says():
    result = call("allocate", {"params_total": 3e9, "target_loss": 2.2})
    # D = (B/(L - E - A/N^alpha))^(1/beta) with Besiroglu et al. 2024
    expected = (2085.43 / (2.2 - 1.8172 - 482.01 / 3e9**0.3478)) ** (1 / 0.3658)
    assert result.values["params_total"].number == 3e9
    assert result.values["tokens"].number == pytest.approx(expected, rel=2e-3)


def test_a_loss_no_data_gives_a_size_is_refused_with_the_floor():
    with pytest.raises(InputError, match=r"2 is out of reach.*stays above 2\.61"):
        call("allocate", {"params_total": 1e8, "target_loss": 2.0})


def test_a_stated_choice_is_judged_against_the_best_use_of_its_compute():
    values = call("allocate", {"params_total": 7e9, "tokens": 15e12}).values
    compute = values["params_at_this_compute"].number * values["tokens_at_this_compute"].number * 6
    assert compute == pytest.approx(6 * 7e9 * 15e12, rel=1e-6)
    assert values["tokens_against_optimum"].number > 50


def test_far_from_every_run_the_answer_warns_and_near_them_it_does_not():
    far, near = (call("allocate", {"compute_flops": C}).warnings for C in (1e27, 1e21))
    assert any(notice.level == "warning" and "times above" in notice.text for notice in far)
    assert not any(notice.level == "warning" for notice in near)


def test_the_rule_of_twenty_tokens_stands_beside_the_parametric_fit():
    found = {item.name: item for item in call("allocate", {"compute_flops": 5.76e23, "law": "hoffmann2022"}).alternatives}
    assert found["hoffmann2022, approach 1"].values["tokens_per_param"].number == pytest.approx(20, rel=0.15)


def test_laws_of_tokens_alone_compare_at_a_number_of_tokens() -> None:
    result = call("compare_laws", {"laws": ["li2025_steplaw", "zhang2024_cbs", "bergsma2025_powerlines"], "tokens": 1e11})
    assert {item.name for item in result.alternatives} == {"li2025_steplaw", "zhang2024_cbs"}
    assert any("recalled" in notice.text for notice in result.warnings)  # Power Lines' prefactors are
