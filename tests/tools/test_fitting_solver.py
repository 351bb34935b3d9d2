"""The batched solver: known optima, exact gradients of every form, invariance to workers."""

import numpy as np
import pytest
from shared import shared_path

from tools.fitting._solver import cholesky_solve
from tools.fitting.bootstrap import bootstrap, sandwich
from tools.fitting.catalogue import FitForm
from tools.fitting.estimate import find_optimum, make_objective, start_rows
from tools.fitting.objective import Objective, link, objective_for
from tools.fitting.runs import for_size_and_tokens, read_runs
from tools.fitting.spec import FIT_FORMS, fit_form

RANGES = {
    "params": (1e7, 1e10),
    "tokens": (1e8, 1e11),
    "flops": (1e18, 1e22),
    "width": (256, 4096),
    "depth": (4, 40),
    "unique_tokens": (1e8, 1e10),
    "weight_bits": (3, 16),
    "activation_bits": (4, 16),
    "kv_bits": (4, 16),
    "group_size": (16, 256),
    "fp_tokens": (1e9, 1e11),
    "qat_tokens": (1e8, 1e10),
    "active_params": (1e7, 1e9),
    "granularity": (1, 16),
    "experts": (2, 128),
    "sparsity": (0.05, 0.9),
    "vocab_params": (1e6, 1e8),
    "streams": (1, 8),
    "forward_area": (1, 100),
    "annealing_area": (0.01, 1),
    "other_loss": (2.5, 4),
    "loss": (0.5, 1.5),
    "start_reward": (0.1, 0.2),
    "samples": (1, 1000),
    "share": (0.05, 0.9),
}
TARGETS = {"loss": (2.0, 4.0), "accuracy": (0.2, 0.9), "reward": (0.2, 0.9), "loss_difference": (0.001, 0.2)}
FORMS = [
    "chinchilla",
    "tied",
    "kaplan",
    "kaplan_floor",
    "farseer",
    "power_params",
    "power_tokens",
    "power_compute",
    "broken_power",
    "width_depth",
    "data_constrained",
    "precision",
    "ptq",
    "qat_group",
    "qat",
    "moe",
    "moe_granularity",
    "moe_routed",
    "sparsity",
    "vocabulary",
    "parscale",
    "annealing",
    "rectified",
    "loss_to_loss",
    "ladder",
    "scalerl",
    "coverage",
    "mixing",
]


def synthetic(spec: FitForm, n: int = 60) -> tuple[Objective, np.ndarray]:
    """An objective on random inputs, and finite starting points on it."""
    rng = np.random.default_rng(0)
    inputs = {name: np.exp(rng.uniform(*np.log(RANGES[role]), n)) for name, role in spec.inputs.items()}
    objective = objective_for(spec.centred(inputs), inputs, rng.uniform(*TARGETS[spec.target], n))
    return objective, start_rows(objective, 12)


def test_every_form_is_listed_here() -> None:
    fit_form("chinchilla")
    assert sorted(FIT_FORMS) == sorted(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    objective, theta = synthetic(fit_form(name))
    assert len(theta) >= 8
    _, jacobian = objective.linearise(theta)
    for i in range(objective.p):
        step = 1e-6 * np.maximum(1.0, np.abs(theta[:, i]))
        up, down = theta.copy(), theta.copy()
        up[:, i] += step
        down[:, i] -= step
        residual = objective.spec.residual
        numeric = (link(residual, objective.predict(up)) - link(residual, objective.predict(down))) / (2 * step[:, None])
        np.testing.assert_allclose(jacobian[:, i], numeric, rtol=2e-5, atol=2e-7)


@pytest.mark.parametrize("name", FORMS)
def test_exact_data_are_fitted_exactly(name: str) -> None:
    spec = fit_form(name)
    objective, theta = synthetic(spec)
    inputs = {key: column[0] for key, column in objective.inputs.items()}
    target = objective.predict(theta[len(theta) // 2 : len(theta) // 2 + 1])[0]
    exact = objective_for(objective.spec, inputs, target)
    found = find_optimum(exact)
    assert np.abs(exact.residuals(found.theta[None, :])).max() < 1e-8


@pytest.mark.parametrize(
    ("table", "group", "best"),
    [
        ("chinchilla_epoch", {}, 0.00101827402),
        ("llama3_isoflops", {}, 0.0002278083),
        ("misfitting", {}, 0.0004101238),
        ("gadre_openlm", {"dataset": "c4_original"}, 0.0004585332),
        ("gadre_openlm", {"dataset": "rpj"}, 0.0003917466),
        ("porian", {"family": "rw-base-short-chinchilla-standard-val"}, 0.0009293614),
        ("gemstones_hot", {}, 0.004967957),
        ("gemstones_lr_ablation", {}, 0.001464122),
        ("steplaw_dense", {}, 2.547601e-05),
    ],
)
def test_best_known_optimum_is_reached(table: str, group: dict[str, str], best: float) -> None:
    runs = read_runs(shared_path(f"data/{table}.csv"))
    runs = for_size_and_tokens(runs.choose(group) if group else runs)
    assert find_optimum(make_objective(fit_form("chinchilla"), runs)).cost <= best * (1 + 1e-6)


def test_standard_errors_of_the_digitised_runs() -> None:
    objective = make_objective(fit_form("chinchilla"), read_runs(shared_path("data/chinchilla_epoch.csv")))
    draws = bootstrap(objective, find_optimum(objective), 4000, seed=1).coefficients(objective)
    assert np.std(draws["alpha"]) == pytest.approx(0.0149, rel=0.1)
    assert np.std(draws["beta"]) == pytest.approx(0.020, rel=0.1)


def test_resamples_end_at_their_own_optimum() -> None:
    """A warm start that hardly moved would show here: each refit is compared with a search from scratch on the copied rows."""
    objective = make_objective(fit_form("chinchilla"), read_runs(shared_path("data/chinchilla_epoch.csv")))
    spread = bootstrap(objective, find_optimum(objective), 4, seed=3)
    counts = np.random.default_rng(3).integers(0, objective.n, (4, objective.n))
    for k in range(4):
        again = objective_for(
            objective.spec, {name: column[0][counts[k]] for name, column in objective.inputs.items()}, objective.target[counts[k]]
        )
        cold = again.natural(find_optimum(again).theta)
        for name, values in spread.coefficients(objective).items():
            assert values[k] == pytest.approx(float(cold[name]), rel=2e-3)


def test_same_draws_on_any_number_of_workers() -> None:
    runs = synthetic(fit_form("chinchilla"), 500)[0]
    best = find_optimum(runs)
    one, four = (bootstrap(runs, best, 600, seed=7, n_workers=workers).theta for workers in (1, 4))
    assert np.array_equal(one, four)


@pytest.mark.parametrize("method", ["row", "residual", "sandwich"])
def test_bootstrap_recovers_a_known_spread(method: str) -> None:
    """log L = log k + p log x with normal noise of 1%: the slope's error is known, and Huber at 1e-3 is near least absolute deviations."""
    rng = np.random.default_rng(5)
    x = np.exp(rng.uniform(0, 5, 400))
    noise = rng.normal(0, 0.01, 400)
    spec = fit_form("coverage")
    y = np.exp(-0.8 * x**-0.4 + noise)
    objective = objective_for(spec, {"k": x}, y)
    draws = bootstrap(objective, find_optimum(objective), 200, seed=2, method=method)  # pyright: ignore
    slopes = objective.linearise(find_optimum(objective).theta[None, :])[1][0]
    expected = np.sqrt(np.diag(np.linalg.inv(slopes @ slopes.T))) * 0.01 * np.sqrt(np.pi / 2)
    np.testing.assert_allclose(np.std(draws.theta, axis=0), expected, rtol=0.35)


def test_sandwich_is_symmetric_and_positive() -> None:
    objective, _ = synthetic(fit_form("tied"), 200)
    matrix = sandwich(objective, find_optimum(objective).theta)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12)
    assert (np.diag(matrix) > 0).all()


def test_cholesky_solve_agrees_with_numpy_and_flags_the_indefinite() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(5, 4, 4))
    matrix = raw @ raw.transpose(0, 2, 1) + np.eye(4)
    matrix[4] = -np.eye(4)
    right = rng.normal(size=(5, 4))
    found, fine = cholesky_solve(matrix, right)
    assert fine.tolist() == [True] * 4 + [False]
    np.testing.assert_allclose(found[:4], np.linalg.solve(matrix[:4], right[:4, :, None])[:, :, 0], rtol=1e-10)
