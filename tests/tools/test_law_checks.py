from __future__ import annotations

import pytest

from knowledge import LawBook, LawCard
from knowledge.errors import InputError
from tools.law_checks import extra_checks, run_check, run_checks, run_extra_check
from tools.law_names import find_relation, find_variant

CARD = LawCard.model_validate(
    {
        "id": "toy2020",
        "title": "Toy",
        "authors": "A",
        "year": 2020,
        "area": "test",
        "kind": "numeric",
        "summary": "a toy",
        "variants": {
            "published": {
                "label": "published (approach 3)",
                "values": {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
                "status": "confirmed",
                "source": "paper",
            },
            "refit": {
                "label": "exact minimum",
                "values": {"E": 1.817218, "A": 477.826, "B": 2143.42, "alpha": 0.347311, "beta": 0.367172},
                "status": "refit",
                "source": "own",
            },
        },
        "default_variant": "published",
        "relations": {
            "loss": {"form": "chinchilla_loss", "inputs": {"N": "params_total", "D": "tokens"}, "outputs": {"L": "nats_per_token"}},
            "optimum": {
                "form": "chinchilla_optimum",
                "inputs": {"C": "flops"},
                "outputs": {"N": "params_total", "D": "tokens", "tokens_per_param": "tokens_per_param", "L": "nats_per_token"},
            },
        },
        "checks": [{"relation": "loss", "given": {"N": 1e9, "D": 2e10}, "expect": {"L": 2.5316}, "rel_tol": 1e-2, "source": "arithmetic"}],
    }
)
BOOK = LawBook().with_laws([CARD])
GOOD = {"relation": "optimum", "given": {"C": 1e22}, "expect": {"N": 2**0 * 0.1196 * (1e22 / 6) ** 0.51261}, "rel_tol": 0.02}


def _extra(**changes: object):
    return run_extra_check(BOOK, "toy2020", {**GOOD, **changes})


def test_a_right_check_passes_with_the_error_shown() -> None:
    outcome = _extra()
    assert outcome.passed, outcome
    assert outcome.got["N"] == pytest.approx(GOOD["expect"]["N"], rel=0.02)
    assert abs(outcome.error["N"]) < 0.02
    assert outcome.as_json()["pass"] is True


@pytest.mark.parametrize("given", [{"C_flops": 1e22}, {"compute_flops": 1e22}, {"flops": 1e22}, {"C": "1e22"}, {"c": 1e22}])
def test_usual_names_of_an_input_are_understood(given: dict[str, object]) -> None:
    assert _extra(given=given).passed


@pytest.mark.parametrize("name", ["N", "params_total", "N_params", "params", "N_opt"])
def test_usual_names_of_an_output_are_understood(name: str) -> None:
    assert _extra(expect={name: GOOD["expect"]["N"]}).passed


def test_flop_become_pf_days_only_where_the_law_counts_them() -> None:
    card = CARD.model_copy(
        update={
            "relations": {
                "loss": CARD.relations["loss"].model_copy(
                    update={
                        "form": "power",
                        "inputs": {"C": CARD.relations["optimum"].inputs["C"].model_copy(update={"quantity": "pf_days"})},
                        "rename": {"x": "C"},
                        "constants": {"k": 1.0, "p": 1.0},
                    }
                )
            }
        }
    )
    book = LawBook().with_laws([card])
    assert run_extra_check(book, "toy2020", {"given": {"flops": 8.64e19}, "expect": {"L": 1.0}, "rel_tol": 1e-9}).passed
    assert "takes no input" in _extra(given={"pf_days_x": 1}).problem


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"relation": "nonsense"}, "has no relation"),
        ({"variant": "nonsense"}, "has no variant"),
        ({"given": {"X": 1.0}}, "takes no input"),
        ({"given": {"tokens_per_param": 20}}, "takes no input"),
        ({"given": {}}, "needs C"),
        ({"expect": {"Z": 1.0}}, "gives no"),
        ({"expect": {}}, "expects nothing"),
        ({"given": {"C": 1e22, "flops": 1e22}}, "twice"),
        ({"given": "C"}, "given"),
        ({"expect": {"N": "many"}}, "expect"),
    ],
)
def test_a_wrong_name_or_value_fails_the_check_and_says_why(changes: dict[str, object], word: str) -> None:
    outcome = _extra(**changes)
    assert not outcome.passed
    assert word in outcome.problem


def test_an_unknown_law_is_a_failed_check() -> None:
    outcome = run_extra_check(BOOK, "no_such_law", GOOD)
    assert not outcome.passed
    assert "no law is called" in outcome.problem


def test_a_check_without_a_relation_finds_the_only_one_that_fits() -> None:
    outcome = run_extra_check(BOOK, "toy2020", {"given": {"N": 1e9, "D": 2e10}, "expect": {"L": 2.5316}, "rel_tol": 1e-2})
    assert outcome.relation == "loss"
    assert "names no relation" in run_extra_check(BOOK, "toy2020", {"given": {"Q": 1}, "expect": {"L": 1}}).problem


def test_variants_go_by_key_label_or_part() -> None:
    assert find_variant(CARD, "loss", "exact minimum") == "refit"
    assert find_variant(CARD, "loss", "APPROACH 3") == "published"
    with pytest.raises(InputError, match="fits several variants"):
        find_variant(CARD, "loss", "i")
    assert find_relation(CARD, "Optimal") == "optimum"


def test_a_wrong_coefficient_is_caught() -> None:
    wrong = CARD.variants["published"].model_copy(update={"values": {**CARD.variants["published"].values, "A": 4820.1}})
    card = CARD.model_copy(update={"variants": {**CARD.variants, "published": wrong}})
    assert all(outcome.passed for outcome in run_checks([CARD]))
    assert not run_check(card, card.checks[0]).passed


def test_the_tolerance_decides() -> None:
    off = GOOD["expect"]["N"] * 1.05
    assert not _extra(expect={"N": off}).passed
    assert _extra(expect={"N": off}, rel_tol=0.1).passed
    assert _extra(expect={"N": off}, rel_tol=None, abs_tol=off).passed


def test_the_three_shapes_of_a_file() -> None:
    named = [{"law": "toy2020", **GOOD}]
    assert extra_checks(named) == extra_checks({"toy2020": [GOOD]}) == extra_checks({"checks": [GOOD]}, "toy2020") == [("toy2020", GOOD)]
    for bad in ([GOOD], {}, "text", 3, [3]):
        with pytest.raises(InputError, match="checks"):
            extra_checks(bad)


def test_words_that_name_a_set_of_coefficients_choose_it() -> None:
    outcome = run_extra_check(
        BOOK, "brown2024_monkeys", {"given": {"model": "Pythia 12B", "k": 10000}, "expect": {"coverage": 0.8748}, "rel_tol": 0.01}
    )
    assert outcome.passed
    assert outcome.variant == "pythia_12b"


def test_the_variant_and_the_defaults_left_decide_between_relations() -> None:
    table3 = {"variant": "approach1_table3", "given": {"N": 1.75e11}, "expect": {"C_flops": 3.85e24, "D_tokens": 3.7e12}, "rel_tol": 0.01}
    outcome = run_extra_check(BOOK, "hoffmann2022", table3)
    assert (outcome.passed, outcome.relation) == (True, "optimum_power_for_params")
    assert run_extra_check(BOOK, "kumar2024_precision", {"given": {"P_w": 4}, "expect": {"factor_w": 0.69636}}).relation == "weight_factor"
    assert "several fit" in run_extra_check(BOOK, "zhang2024_cbs", {"given": {"N": 3e8}, "expect": {"CBS20_sequences": 1351}}).problem


def test_names_of_predictions_and_units_are_understood() -> None:
    assert run_extra_check(BOOK, "kaplan2020_bcrit", {"given": {"L": 3.0}, "expect": {"B_crit_tokens": 1.1226e6}}).passed
    given = {"variant": "RedPajama", "given": {"N": 1439795200, "D": 921468928000}, "expect": {"L_pred": 2.5198}}
    assert run_extra_check(BOOK, "gadre2024", given).passed
