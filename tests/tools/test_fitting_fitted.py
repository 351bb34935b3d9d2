"""Verdicts on tables that cannot carry a law, law cards of fits, diagnosis, design and the tools."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from shared import shared_path

from knowledge.errors import InputError
from knowledge.library import LawBook, load_card
from tools.design import DesignRequest, design_experiments
from tools.fit import FitRequest, fit
from tools.fitting.approaches import approach_1, approach_2
from tools.fitting.card import law_card
from tools.fitting.design import Problem, isoflop_grid, plan_runs
from tools.fitting.diagnose import checklist, leave_one_out, leverage
from tools.fitting.fitted import Fitted, as_json, fit_runs
from tools.fitting.profile import profile_intervals
from tools.fitting.runs import RunTable, build_table, read_runs
from tools.fitting.spec import fit_form
from tools.law import evaluate

LAW = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}


def surface(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return LAW["E"] + LAW["A"] / N ** LAW["alpha"] + LAW["B"] / D ** LAW["beta"]


def runs(n: int = 60, noise: float = 0.003, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    N, D = np.exp(rng.uniform(np.log(1e8), np.log(1e10), n)), np.exp(rng.uniform(np.log(1e9), np.log(1e11), n))
    return N, D, surface(N, D) * np.exp(noise * rng.normal(size=n))


def table(N: np.ndarray, D: np.ndarray, loss: np.ndarray) -> RunTable:
    return build_table("made.csv", ["params", "tokens", "loss"], iter([list(zip(N.tolist(), D.tolist(), loss.tolist(), strict=True))]))


@pytest.fixture(scope="module")
def good() -> Fitted:
    return fit_runs(table(*runs()), fit_form("chinchilla"), n_bootstrap=300)


N0, D0, L0 = runs()
RNG = np.random.default_rng(1)
HOPELESS = {
    "three runs": (N0[:3], D0[:3], L0[:3], "3 runs cannot determine 5"),
    "one size": (np.full(60, 1e9), D0, surface(np.full(60, 1e9), D0), "one value of params"),
    "two sizes": (np.repeat([1e9, 2e9], 30), D0, surface(np.repeat([1e9, 2e9], 30), D0), "two values of params"),
    "identical rows": (np.full(40, 1e9), np.full(40, 1e10), np.full(40, 2.5), "1 different settings"),
    "one loss": (N0, D0, np.full(60, 2.5), "every run has the same loss"),
    "pure noise": (N0, D0, 2.5 + 0.2 * RNG.normal(size=60), "no better than a constant"),
    "rising loss": (N0, D0, 5 - L0, "rises with scale"),
}


@pytest.mark.parametrize("case", HOPELESS)
def test_hopeless_tables_get_a_verdict_and_no_numbers(case: str) -> None:
    N, D, loss, says = HOPELESS[case]
    found = fit_runs(table(N, D, loss), fit_form("chinchilla"), n_bootstrap=50)
    assert found.status == "undetermined"
    assert says in found.verdict
    assert as_json(found)["params"] is None
    with pytest.raises(InputError):
        law_card(found)


def test_negative_losses_are_fitted_as_they_are_and_said() -> None:
    found = fit_runs(table(N0, D0, L0 - 5), fit_form("chinchilla"), n_bootstrap=50)
    assert "no log fit" in found.verdict
    assert found.spec.residual == "linear"
    assert found.params["E"] == pytest.approx(LAW["E"] - 5, abs=0.1)


def test_a_few_faulty_losses_are_set_aside() -> None:
    found = fit_runs(table(N0, D0, np.where(np.arange(60) == 7, -1.0, L0)), fit_form("chinchilla"), n_bootstrap=0)
    assert found.spec.residual == "log"
    assert any("row 8" in str(p) and p.action == "set aside" for p in found.table.problems)


def test_known_law_is_recovered_within_its_interval(good: Fitted) -> None:
    assert good.status == "determined"
    for name, truth in LAW.items():
        low, high = good.interval[name]
        assert low - 0.1 * abs(truth) <= truth <= high + 0.1 * abs(truth), name


def test_json_has_the_measuring_contract(good: Fitted) -> None:
    data = as_json(good)
    assert set(data["params"]) == set(data["se"]) == {"E", "A", "B", "alpha", "beta"}
    assert data["objective"] == pytest.approx(good.objective)
    assert data["search"]["agree"] > 10


def test_card_of_a_fit_is_a_law_like_any_other(good: Fitted, tmp_path: Path) -> None:
    path = tmp_path / "law.yaml"
    path.write_text(yaml.safe_dump(law_card(good).model_dump(mode="json", exclude_defaults=True)), encoding="utf8")
    card = load_card(path)
    best = evaluate(card, "optimum", {"C": 1e22})
    assert best.values["N"].low is not None
    assert best.values["N"].low < best.values["N"].number < best.values["N"].high  # pyright: ignore
    assert best.values["L"].number == pytest.approx(
        float(surface(np.array(best.values["N"].number), np.array(best.values["D"].number))), rel=0.01
    )
    assert evaluate(card, "loss", {"N": 1e12, "D": 1e13}).outside


def test_form_without_template_still_becomes_a_card() -> None:
    found = fit_runs(table(*runs()), fit_form("kaplan_floor"), n_bootstrap=20)
    card = law_card(found)
    at = evaluate(card, "loss", {"N": 1e9, "D": 2e10}).values["L"]
    assert at.number == pytest.approx(float(surface(np.array(1e9), np.array(2e10))), rel=0.02)


def test_profile_intervals_agree_with_the_bootstrap(good: Fitted) -> None:
    for name in ("alpha", "beta"):
        low, high = profile_intervals(good)[name]
        assert low < good.params[name] < high
        assert 0.4 < (high - low) / (good.interval[name][1] - good.interval[name][0]) < 2.5


def test_leverage_sums_to_the_number_of_coefficients(good: Fitted) -> None:
    assert float(leverage(good).sum()) == pytest.approx(5.0, rel=1e-6)


def test_leave_one_out_equals_fitting_without_the_run(good: Fitted) -> None:
    labels, refits = leave_one_out(good)
    assert labels[7] == "row 8"
    without = fit_runs(good.table.take(np.arange(60) != 7), fit_form("chinchilla"), n_bootstrap=0)
    for name, value in without.params.items():
        assert refits[name][7] == pytest.approx(value, rel=1e-3)


def test_checklist_speaks_up_about_narrow_tables() -> None:
    N = np.repeat([1e9, 1.5e9, 2e9, 2.5e9], 10)
    D = np.tile(np.exp(np.linspace(np.log(1e10), np.log(4e11), 10)), 4)
    said = " ".join(text for text, _ in checklist(fit_runs(table(N, D, surface(N, D)), fit_form("chinchilla"), n_bootstrap=0)))
    assert "4 model sizes" in said
    assert "size spans only a factor of 2.5" in said


def test_checklist_asks_theory_about_the_exponents(good: Fitted) -> None:
    assert not [source for _, source in checklist(good) if "arXiv:2102.06701" in source]
    N, D, _ = runs(noise=0.0)
    steep = fit_runs(table(N, D, 1.8 + 3e8 / N + 2100.0 / D**0.37), fit_form("chinchilla"), n_bootstrap=0)
    said = [text for text, source in checklist(steep) if "arXiv:2102.06701" in source]
    assert said[0].startswith("The size exponent 1.00 is near 1")


def test_isoflop_approaches_recover_the_exponent() -> None:
    C = np.repeat(10.0 ** np.arange(18, 22), 9)
    centre = (C / 6) ** (LAW["beta"] / (LAW["alpha"] + LAW["beta"])) * ((LAW["alpha"] * LAW["A"]) / (LAW["beta"] * LAW["B"])) ** (
        1 / (LAW["alpha"] + LAW["beta"])
    )
    N = centre * np.tile(np.exp(np.linspace(-1, 1, 9)), 4)
    made = table(N, C / (6 * N), surface(N, C / (6 * N)))
    expected = LAW["beta"] / (LAW["alpha"] + LAW["beta"])
    for law in (approach_1(made), approach_2(made)):
        assert law is not None
        assert law.exponent == pytest.approx(expected, abs=0.01)


def test_chosen_runs_beat_the_grid_in_a_simulated_study() -> None:
    """The promise of the design, checked by doing the small runs: the chosen set forecasts the target better than the grid."""
    problem = Problem("chinchilla_loss", LAW, 7e9, 1e12, noise=0.005, optimum_form="chinchilla_optimum")
    target = float(surface(np.array(7e9), np.array(1e12)))
    spread = []
    for plan in (plan_runs(problem, 1e21), isoflop_grid(problem, 1e21)):
        assert plan.flops <= 1e21 * 1.001
        N, D = (np.repeat([getattr(run, key) for run in plan.runs], [run.repeats for run in plan.runs]) for key in ("params", "tokens"))
        misses = []
        for seed in range(30):
            noise = 0.005 * np.random.default_rng(seed).normal(size=len(N))
            found = fit_runs(table(N, D, surface(N, D) * np.exp(noise)), fit_form("chinchilla"), n_bootstrap=0, n_starts=8)
            misses.append(np.log(found.predict({"N": np.array([7e9]), "D": np.array([1e12])})[0] / target))
        spread.append(float(np.sqrt(np.mean(np.square(misses)))))
    assert spread[0] < 0.8 * spread[1]


@pytest.mark.parametrize("want", ["loss", "params", "coefficients"])
def test_more_budget_never_widens_the_interval(want: str) -> None:
    problem = Problem("chinchilla_loss", LAW, 7e9, 1e12, optimum_form="chinchilla_optimum")
    criteria = [plan_runs(problem, budget, want).criterion for budget in (1e19, 1e20, 1e21, 1e22)]  # pyright: ignore
    assert all(b <= a * (1 + 0.05 * np.sign(a)) for a, b in itertools.pairwise(criteria))


@pytest.mark.parametrize(
    "stated",
    [
        {"compute_flops": 1e23},
        {"compute_flops": 1e21},
        {"params_total": 7e9, "tokens": 1e12},
        {"params_total": 1.3e10},
        {"accelerator_hours": 2000.0, "accelerator": "a100-80gb"},
    ],
)
def test_design_tool_answers_each_way_of_asking(stated: dict[str, float]) -> None:
    result = design_experiments(DesignRequest.model_validate(stated), LawBook())
    assert result.values["loss_interval"].number < result.values["grid_loss_interval"].number
    assert result.values["small_runs_flops"].number <= result.values["budget_flops"].number * 1.001
    runs_table = result.tables[0]
    assert sum(row[4] for row in runs_table.rows) == result.values["n_runs"].number  # pyright: ignore


def test_fit_tool_plans_for_a_budget_and_names_what_is_missing() -> None:
    columns = {"N": N0.tolist(), "D": D0.tolist(), "loss": L0.tolist()}
    result = fit(FitRequest.model_validate({"table": columns, "compute_flops": 1e22, "bootstrap": 100}), LawBook())
    assert result.feasible
    assert result.values["alpha"].low is not None
    assert result.values["N"].number == pytest.approx(9e9, rel=0.5)
    assert {"residuals", "isoflop", "band", "approaches", "sensitivity"} <= {t.name for t in result.tables}
    with pytest.raises(InputError, match="not attached"):
        fit(FitRequest(runs="runs.csv"), LawBook())
    with pytest.raises(InputError, match="2 groups"):
        fit(FitRequest.model_validate({"table": {**columns, "family": ["a", "b"] * 30}}), LawBook())


def test_points_along_runs_are_resampled_by_run() -> None:
    found = fit_runs(read_runs(shared_path("data/gemstones_hot.csv")), fit_form("chinchilla"), n_bootstrap=50)
    assert found.spread is not None
    assert found.spread.method == "run"


def test_sweeps_and_repeats_are_set_aside_by_name() -> None:
    found = fit_runs(read_runs(shared_path("data/steplaw_dense.csv")), fit_form("chinchilla"), n_bootstrap=0)
    assert len(found.table) == 14
    assert any("not the best of its sweep" in str(p) for p in found.table.problems)
