"""Forecasts: accuracy and coverage on real series left out, groups, refusals."""

import numpy as np
import pytest
from shared import shared_path

from evals.fitting_series import cases, geometric_mean_error
from knowledge.errors import InputError
from tools.fitting.ensemble import MEMBERS, fit_ensemble, focus_weights, median_forecast
from tools.fitting.forecast import forecast_group, forecast_with_form, matched_groups
from tools.fitting.runs import RunTable, build_table
from tools.fitting.spec import fit_form


def surface(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return 1.8 + 480 / N**0.35 + 2100 / D**0.37


def made(n: int, low: float, high: float, seed: int = 0, **words: list[str]) -> RunTable:
    rng = np.random.default_rng(seed)
    C = np.exp(rng.uniform(np.log(low), np.log(high), n))
    N = 0.1 * C**0.5 * np.exp(rng.uniform(-1, 1, n))
    D = C / (6 * N)
    loss = surface(N, D) * np.exp(0.002 * rng.normal(size=n))
    columns = [*words.values(), N.tolist(), D.tolist(), loss.tolist()]
    return build_table("made.csv", [*words, "params", "tokens", "loss"], iter([list(zip(*columns, strict=True))]))


def test_ensemble_finds_a_known_surface_ten_times_out() -> None:
    found = forecast_group(made(60, 1e18, 1e20), made(20, 8e20, 1e21, seed=1))
    truth = made(20, 8e20, 1e21, seed=1)["loss"]
    assert np.abs(found.loss / truth - 1).max() < 0.02
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.85
    assert found.backtests
    assert {m.name for m in MEMBERS} == set(found.members)


def test_leaving_out_the_largest_of_real_series() -> None:
    folder = shared_path("data/README.md").parent
    errors, covered = [], []
    for case in cases(folder):
        if case.task == "3x" and (case.family != "porian" or "tuned-short" in case.series):
            found = forecast_group(case.train, case.target)
            truth = case.target["loss"]
            errors.append(100 * float(np.median(np.abs(found.loss / truth - 1))))
            covered.append(float(np.mean((found.low <= truth) & (truth <= found.high))))
    assert len(errors) >= 12
    assert geometric_mean_error(errors) <= 0.9
    assert 0.85 <= np.mean(covered) <= 0.99


def test_forecast_does_not_depend_on_the_order_of_points_and_repeats() -> None:
    table, points = made(40, 1e18, 1e20), made(6, 1e21, 2e21, seed=2)
    first, again = forecast_group(table, points), forecast_group(table, points.take(np.arange(6)[::-1]))
    np.testing.assert_allclose(first.loss, again.loss[::-1], rtol=0, atol=0)
    assert np.array_equal(first.low, forecast_group(table, points).low)


def test_interval_widens_with_distance() -> None:
    table = made(40, 1e18, 1e20)
    points = build_table("p.csv", ["params", "tokens"], iter([[(1e9, 2e10), (3e9, 6e10), (1e10, 2e11), (1e11, 2e12)]]), points=True)
    width = np.log(forecast_group(table, points).high / forecast_group(table, points).low)
    assert (np.diff(width) > 0).all()


def test_single_form_and_its_interval() -> None:
    found, fit = forecast_with_form(made(40, 1e18, 1e20), made(10, 5e20, 1e21, seed=3), fit_form("chinchilla"), n_bootstrap=100)
    truth = made(10, 5e20, 1e21, seed=3)["loss"]
    assert fit.status == "determined"
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.8


def test_points_go_to_their_group_or_the_question_is_asked() -> None:
    table = made(40, 1e18, 1e20, family=["a", "b"] * 20)
    points = made(4, 1e21, 2e21, family=["b", "a", "b", "a"])
    groups = {group["family"]: index.tolist() for group, index in matched_groups(table, points)}
    assert groups == {"a": [1, 3], "b": [0, 2]}
    with pytest.raises(InputError, match="do not say which"):
        matched_groups(table, made(4, 1e21, 2e21))
    with pytest.raises(InputError, match="belong to no group"):
        matched_groups(table, made(2, 1e21, 2e21, family=["a", "c"]))


def test_point_without_size_gets_no_number_and_a_reason() -> None:
    points = build_table("p.csv", ["params", "tokens"], iter([[("1e10", "2e11"), ("", "2e11")]]), points=True)
    found = forecast_group(made(40, 1e18, 1e20), points)
    assert np.isnan(found.loss).tolist() == [False, True]
    assert any("rows 2" in note for note in found.notes)


def test_tables_that_cannot_carry_a_forecast_are_refused() -> None:
    points = made(4, 1e21, 2e21)
    with pytest.raises(InputError, match="3 runs cannot carry"):
        forecast_group(made(3, 1e18, 1e20), points)
    rng = np.random.default_rng(0)
    noise = build_table(
        "n.csv",
        ["params", "tokens", "loss"],
        iter([[(1e9 * rng.uniform(0.1, 10), 1e10 * rng.uniform(0.1, 10), 2.5 + 0.3 * rng.normal()) for _ in range(40)]]),
    )
    with pytest.raises(InputError, match="no better than a constant"):
        forecast_group(noise, points)
    one = build_table(
        "o.csv",
        ["params", "tokens", "loss"],
        iter([[(1e9, D, float(surface(np.array(1e9), np.array(D)))) for D in np.logspace(9, 11, 20)]]),
    )
    with pytest.raises(InputError, match="one value of params"):
        forecast_group(one, points)


def test_one_faulty_low_loss_does_not_take_all_the_weight() -> None:
    loss = np.linspace(2.2, 4.0, 60)
    loss[0] = 0.5
    assert focus_weights(loss).max() < 0.4 * 60
    table = made(60, 1e18, 1e20)
    inputs = {"N": table["params"], "D": table["tokens"]}
    spoiled = table["loss"].copy()
    spoiled[5] = 1.0
    at = {"N": np.array([1e10]), "D": np.array([2e11])}
    clean, dirty = (median_forecast(fit_ensemble(inputs, values).predict(at))[0] for values in (table["loss"], spoiled))
    assert dirty == pytest.approx(clean, rel=0.02)


def swept(rows: list[tuple[float, float, float, float]], seed: int = 0) -> RunTable:
    """Runs whose loss has a bowl over log rate and log batch; the best of each setting is marked."""
    rng = np.random.default_rng(seed)
    N, D, lr, batch = (np.array(column) for column in zip(*rows, strict=True))
    away = 0.02 * np.log(lr / (3e-3 * (N / 1e8) ** -0.3)) ** 2 + 0.005 * np.log(batch / 512) ** 2
    loss = surface(N, D) * np.exp(away + 0.001 * rng.normal(size=len(N)))
    settings = np.unique(np.stack([N, D], 1), axis=0, return_inverse=True)[1].ravel()
    best = [float(loss[i] == loss[settings == settings[i]].min()) for i in range(len(N))]
    columns = [N.tolist(), D.tolist(), lr.tolist(), batch.tolist(), best, loss.tolist()]
    return build_table("swept.csv", ["params", "tokens", "lr", "batch", "best_in_group", "loss"], iter([list(zip(*columns, strict=True))]))


def test_points_at_their_own_rate_and_batch_are_predicted_by_the_sweeps() -> None:
    settings = [(N, D) for N in (1e8, 2e8, 4e8, 8e8) for D in (5e9, 1e10, 4e10)]
    knobs = [(lr, batch) for lr in (3e-4, 1e-3, 3e-3, 1e-2) for batch in (128.0, 512.0, 2048.0)]
    whole = swept([(*setting, *knob) for setting in settings for knob in knobs])
    held = (whole["params"] == 4e8) & (whole["tokens"] == 1e10) & ~(whole["best"] > 0)
    points, truth = whole.take(held), whole["loss"][held]
    found = forecast_group(whole.take(~held), points)
    assert np.abs(found.loss / truth - 1).max() < 0.02
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.9
    assert any("lr and batch" in note for note in found.notes)


def test_repeated_data_widen_the_high_end_more_than_the_low() -> None:
    table = made(40, 1e18, 1e20)
    rows = [(1e9, 2e10, 2e10), (1e9, 2e10, 5e9), (1e9, 2e10, 1e8)]
    found = forecast_group(table, build_table("p.csv", ["params", "tokens", "unique_tokens"], iter([rows]), points=True))
    up, down = np.log(found.high / found.loss), np.log(found.loss / found.low)
    assert up[0] == pytest.approx(down[0])
    assert up[0] < up[1] < up[2]
    assert (up[1:] > down[1:]).all()
    assert any("overfitting" in note for note in found.notes)
