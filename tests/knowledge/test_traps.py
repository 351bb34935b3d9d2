"""Mistakes that are easy to make with these laws, each shown not to be made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from agent.advice import raise_advice
from agent.brief import Brief
from knowledge import InputError, LawBook
from knowledge.quantities import PF_DAY_FLOPS
from tools.law import compute, evaluate
from tools.other_laws import ALLOCATION_LAWS
from tools.registry import call

BOOK = LawBook()


def at(law: str, relation: str, variant: str | None = None, **given: Any) -> dict[str, float]:
    return {name: float(value) for name, value in compute(BOOK.get(law), relation, given, variant).items()}


@pytest.mark.parametrize(
    ("law", "relation", "name", "kind"),
    [
        ("kaplan2020", "loss", "N", "params_nonembedding"),
        ("farseer2025", "loss", "N", "params_nonembedding"),
        ("li2025_steplaw", "optimum", "N", "params_total_nonembedding"),
        ("hoffmann2022", "loss", "N", "params_total"),
        ("besiroglu2024", "loss", "N", "params_total"),
        ("gadre2024", "loss", "N", "params_total"),
        ("porian2024", "optimum_for_params", "N", "params_without_input_embedding"),
        ("hernandez2021_transfer", "effective_data", "D_F", "finetuning_characters"),
        ("clark2022_routed", "loss", "N", "params_active"),
    ],
)
def test_what_a_symbol_counts_is_typed(law: str, relation: str, name: str, kind: str) -> None:
    assert BOOK.get(law).relations[relation].inputs[name].quantity == kind


def test_deepseek_gives_flops_per_token_and_the_pf_day_is_86400_seconds_of_a_petaflop() -> None:
    assert BOOK.get("deepseek2024_alloc").relations["optimum"].outputs["M"].quantity == "flops_per_token"
    assert PF_DAY_FLOPS == 8.64e19


def test_the_critical_batch_law_takes_millions_of_tokens() -> None:
    batch = at("zhang2024_cbs", "critical_batch_of_tokens", D=2e10)
    assert batch["CBS20_sequences"] == pytest.approx(22.91 * 20000**0.47, rel=0.01)
    assert batch["CBS20_tokens"] == pytest.approx(512 * batch["CBS20_sequences"])
    in_billions = 22.91 * 20**0.47
    assert batch["CBS20_sequences"] / in_billions == pytest.approx(26, rel=0.02)


def test_losses_of_two_corpora_or_units_are_not_ranked() -> None:
    result = call("compare_laws", {"laws": ["besiroglu2024", "kaplan2020"], "params_total": 1e9, "tokens": 1e11})
    assert any("own corpus" in notice.text for notice in result.warnings)
    assert BOOK.get("farseer2025").relations["loss"].outputs["L"].unit == "bits/char"


def test_the_printed_chinchilla_exponents_are_not_the_default() -> None:
    published = 27.1e9  # tokens of a 1B model in Table A3, approach 3
    assert BOOK.get("hoffmann2022").default_variant == "approach3_tex"
    assert 1.6 < at("hoffmann2022", "optimum_for_params", "approach3_printed", N=1e9)["D"] / published < 2.2
    assert 1.06 < at("hoffmann2022", "optimum_for_params", N=1e9)["D"] / published < 1.19
    assert "Vries" in BOOK.get("hoffmann2022").variants["approach3_devries"].label
    typo = at("hoffmann2022", "optimum_for_params", "approach3_devries", N=1.75e11)["C"]
    assert typo == pytest.approx(1.26e25, rel=0.06)


def test_dropping_the_outliers_of_the_replication_matters() -> None:
    card = BOOK.get("besiroglu2024")
    assert card.variants["all_points"].values["beta"] == pytest.approx(0.453, abs=0.002)
    assert card.variants["published"].values["beta"] == pytest.approx(0.3658)


def test_gadre_never_allocates_unasked_and_warns_when_named() -> None:
    assert "gadre2024" not in {law for law, _, _ in ALLOCATION_LAWS}
    told = raise_advice(Brief(task="allocate", compute_flops=1e21, laws=["gadre2024"]), [], BOOK)
    assert told[0].level == "warning"
    assert "must not choose a model size" in told[0].text


def test_repetition_is_told_to_fail_beyond_forty_epochs() -> None:
    assert at("muennighoff2023", "loss", N=2.81e9, D=5.5e10, U_D=1.25e9)["L"] == pytest.approx(2.70, rel=2e-3)  # 3.42 measured
    assert any(n.level == "warning" for n in call("repeat_data", {"unique_tokens": 1.25e9, "tokens": 5.5e10}).warnings)


def test_llama3_allocates_with_the_label_of_its_figure() -> None:
    assert at("llama3_2024_alloc", "optimum", C=3.8e25)["D"] == pytest.approx(16.55e12, rel=0.02)
    assert at("llama3_2024_alloc", "optimum", "text_rounded", C=3.8e25)["D"] == pytest.approx(10.46e12, rel=0.01)


def test_farseer_allocates_with_the_refit_of_its_runs_not_its_rounded_constants() -> None:
    assert math.isnan(at("farseer2025", "farseer_optimum", C=1e23)["N"])
    assert call("allocate", {"law": "farseer2025", "compute_flops": 1e21}).values["tokens_per_param"].number == pytest.approx(
        24.84, rel=0.01
    )


def test_the_two_granularities_differ_by_two() -> None:
    values = call("moe", {"compute_flops": 1e21}).values
    assert values["granularity_leverage"].number == pytest.approx(2 * at("tian2025_leverage", "best_granularity")["G"])


def test_opposite_rates_and_batches_are_shown_side_by_side() -> None:
    rising = at("li2025_steplaw", "rate_change", N_ratio=1, D_ratio=10)["lr_ratio"]
    falling = at("bjorck2024_horizon", "rate_change", D_ratio=10)["lr_ratio"]
    assert rising > 1 > falling
    shown = {item.name for item in call("hyperparameters", {"params_total": 1e9, "tokens": 1e11}).alternatives}
    assert "bjorck2024_horizon" in shown


def test_the_roots_that_abstracts_lost() -> None:
    assert at("hayou_width_depth", "branch_multiplier", L=64)["branch_multiplier"] == pytest.approx(1 / 8)
    same = at("fan2025_wd", "singular_value", lr_ratio=1 / 16, wd_ratio=4, d_ratio=16)  # sqrt(lr/wd) d^(3/4)
    assert same["singular_value_ratio"] == pytest.approx(1.0)


def test_a_tenfold_smaller_model_is_out_of_reach_or_ruinous() -> None:
    assert at("villalobos2023_tradeoff", "overtraining", "hoffmann_approach_3", r=10)["training_factor"] == pytest.approx(8.5e4, rel=0.01)
    reach = at("villalobos2023_tradeoff", "overtraining", "besiroglu", r=10)
    assert math.isinf(reach["training_factor"])
    assert reach["r_max"] == pytest.approx(6.83, rel=0.01)


def test_nothing_is_interpolated_between_the_sizes_of_the_mixture_law() -> None:
    result = call("mix_data", {"params_total": 1.2e9, "tokens": 2e10, "law": "gu2024_cmr"})
    assert "domain_share" not in result.values
    assert result.values["domain_share_460m"].number == pytest.approx(0.298, rel=0.01)


def test_pass_at_one_is_taken_from_the_question_not_from_the_coverage_law() -> None:
    law = at("brown2024_monkeys", "coverage", "pythia_12b", k=1)["coverage"]
    assert law == pytest.approx(math.exp(-4.3156))
    result = call("test_time", {"pass_rate": 0.05, "samples": 1})
    assert result.values["pass_at_k"].number == pytest.approx(0.05)


def test_the_precision_law_keeps_its_biases() -> None:
    assert at("kumar2024_precision", "optimal_precision")["P_star_bits"] == pytest.approx(7.0, abs=0.1)  # 3.5 without them
    assert at("kumar2024_precision", "effective_params", P_w=8, P_a=8, P_kv=8)["N_eff_over_N"] == pytest.approx(0.828, abs=0.002)


def test_half_lives_scale_with_the_number_of_merged_buckets() -> None:
    assert at("goyal2024_qqt", "merged_pool", b_mean=-0.2, tau=5, buckets=3)["tau_pool"] == pytest.approx(15)


def test_the_floor_of_value_based_rl_is_added() -> None:
    values = BOOK.get("rybkin2025_utd").variants["data_gym"].values
    endless = at("rybkin2025_utd", "data", sigma=1e12)["D"]
    assert endless == pytest.approx(float(values["m"]) * float(values["c"]), rel=1e-3)  # pyright: ignore


def test_attending_to_more_keys_costs_more() -> None:
    shape = {"P": 8.19e9, "layers": 36, "kv_heads": 8, "heads": 32, "head_dim": 128, "L_in": 128, "L_out": 16384}
    takes = BOOK.get("sadhukhan2025_kinetics").relations["sparse_cost"].inputs
    given = {name: value for name, value in shape.items() if name in takes}
    few, many = (at("sadhukhan2025_kinetics", "sparse_cost", budget=budget, **given)["total"] for budget in (256, 1024))
    assert few < many


def test_a_law_that_cannot_answer_says_so() -> None:
    with pytest.raises(InputError, match="no input"):
        evaluate(BOOK.get("kaplan2020"), "loss", {"epochs": 3})
