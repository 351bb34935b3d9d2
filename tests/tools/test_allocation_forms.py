"""Optima of the loss surfaces against brute force, inverses against their originals, and draws against arrays."""

import numpy as np
import pytest

from knowledge import LawBook
from tools.law import coefficient_draws, compute, evaluate

BOOK = LawBook()
SURFACES = ["besiroglu2024", "hoffmann2022", "sardana2024"]


@pytest.mark.parametrize("law", SURFACES)
def test_lifetime_optimum_is_the_numerical_minimum(law: str):
    card = BOOK.get(law)
    loss, served = 2.1, 5e12
    best = compute(card, "inference_optimum", {"loss": loss, "D_inf": served})
    N = np.geomspace(float(best["N"]) / 3, float(best["N"]) * 3, 20_001)
    D = compute(card, "tokens_for_loss", {"L": loss, "N": N})["D"]
    total = 6 * N * D + 2 * N * served
    assert float(best["total_flops"]) <= total.min() * (1 + 1e-9)
    assert N[np.argmin(total)] == pytest.approx(float(best["N"]), rel=2e-3)
    assert float(compute(card, "loss", {"N": best["N"], "D": best["D"]})["L"]) == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("law", SURFACES)
def test_lifetime_budget_is_spent_and_best(law: str):
    card = BOOK.get(law)
    C, served = 5e21, 2e12
    best = compute(card, "inference_optimum_for_budget", {"C": C, "D_inf": served})
    assert float(best["total_flops"]) == pytest.approx(C, rel=1e-9)
    N = np.geomspace(1e7, C / (2 * served) * 0.999, 20_001)
    losses = compute(card, "loss", {"N": N, "D": C / (6 * N) - served / 3})["L"]
    assert float(best["L"]) <= losses.min() + 1e-12


def test_without_serving_the_lifetime_optimum_is_the_plain_one():
    card = BOOK.get("besiroglu2024")
    plain = compute(card, "optimum", {"C": 1e22})
    none = compute(card, "inference_optimum_for_budget", {"C": 1e22, "D_inf": 0.0})
    assert float(none["N"]) == pytest.approx(float(plain["N"]), rel=1e-6)
    same = compute(card, "inference_optimum", {"loss": plain["L"], "D_inf": 0.0})
    assert float(same["N"]) == pytest.approx(float(plain["N"]), rel=1e-6)


def test_optimum_inverses_agree():
    card = BOOK.get("besiroglu2024")
    C = np.geomspace(1e18, 1e26, 9)
    best = compute(card, "optimum", {"C": C})
    assert compute(card, "optimum_for_params", {"N": best["N"]})["C"] == pytest.approx(C)
    assert compute(card, "optimum_for_tokens", {"D": best["D"]})["C"] == pytest.approx(C)
    assert compute(card, "compute_for_loss", {"L": best["L"]})["C"] == pytest.approx(C)
    assert compute(card, "resize", {"C": C, "size_ratio": 1.0})["compute_ratio"] == pytest.approx(np.ones(9))


def test_shrinking_tenfold_costs_what_the_trap_list_says():
    assert compute(BOOK.get("hoffmann2022"), "resize", {"C": 5.76e23, "size_ratio": 0.1})["compute_ratio"] > 1e4
    assert np.isinf(compute(BOOK.get("besiroglu2024"), "resize", {"C": 5.76e23, "size_ratio": 0.1})["compute_ratio"])


def test_draws_give_one_optimum_each_and_an_interval():
    card = BOOK.get("besiroglu2024")
    draws, _ = coefficient_draws(card.variants["published"])
    assert compute(card, "inference_optimum", {"loss": 2.1, "D_inf": 1e12}, coefficients=draws)["N"].shape == (1000,)
    ratio = evaluate(card, "optimum", {"C": 1e26}).values["tokens_per_param"]
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 6 < 30 < ratio.high  # the published 80% interval is about 4 to 40


def test_data_constrained_optimum_takes_arrays_of_problems():
    card = BOOK.get("muennighoff2023")
    C, U = np.array([1e21, 1e22]), np.array([1e10, 1e11])
    both = compute(card, "optimum", {"C": C, "U_D": U})
    alone = [float(compute(card, "optimum", {"C": c, "U_D": u})["N"]) for c, u in zip(C, U, strict=True)]
    assert both["N"] == pytest.approx(alone)


def test_kaplan_trajectory_solves_its_own_equation():
    card = BOOK.get("su2024_unraveling")
    run = compute(card, "trajectory", {"N": 1e8, "S": 2e4, "B": 1e6}, "c4_recalled")
    assert float(compute(card, "loss_from_steps", {"N": 1e8, "S_min": run["S_min"]}, "c4_recalled")["L"]) == pytest.approx(float(run["L"]))


def test_porian_bridge_and_pearce_inverse():
    card = BOOK.get("pearce2024_reconciling")
    N = np.geomspace(1e3, 1e11, 9)
    assert compute(card, "nonembedding_params", {"N_total": compute(card, "total_params", {"N_nonemb": N})["N_total"]})[
        "N_nonemb"
    ] == pytest.approx(N)


def test_recalled_constants_are_refused_unless_named():
    from knowledge import InputError

    with pytest.raises(InputError, match="recalled"):
        compute(BOOK.get("su2024_unraveling"), "converged_loss", {"N": 1e9})


def test_one_wrong_coefficient_fails_a_check():
    card = BOOK.get("ludziejewski2025_joint_moe")
    flipped = compute(card, "reduced", {"E": 8.0}, coefficients={"delta": 0.2285})
    assert float(flipped["m"]) != pytest.approx(21.833, rel=0.003)
