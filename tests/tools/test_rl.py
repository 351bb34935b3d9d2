import numpy as np
import pytest

from knowledge import InputError
from tools._law_values import number
from tools.registry import call
from tools.rl import fit_curve


def _run(noise=0.0, last=16_000):
    rng = np.random.default_rng(7)
    hours = np.geomspace(1500, last, 14)
    rates = 0.3 + (0.61 - 0.3) / (1 + (2542 / hours) ** 1.92) + noise * rng.standard_normal(14)
    return [[0.0, 0.3], *([float(h), float(r)] for h, r in zip(hours, rates, strict=True))]


def test_published_curve_in_gb200_hours():
    result = call("rl", {"accelerator_hours": 16_000, "accelerator": "gb200", "pass_rate": 0.3})
    assert number(result.values["gain_fraction"]) == pytest.approx(0.9716, rel=0.003)
    assert number(result.values["pass_rate"]) == pytest.approx(0.3 + 0.31 * 0.9716, rel=0.003)
    assert (result.values["asymptote"].low, result.values["asymptote"].high) == (0.59, 0.63)
    slower = call("rl", {"accelerator_hours": 16_000, "accelerator": "h100-sxm"})
    assert number(slower.values["gain_fraction"]) < number(result.values["gain_fraction"])


def test_hours_to_saturation_and_to_a_target():
    assert number(call("rl", {"params_total": 8e9}).values["saturation_hours"]) == pytest.approx(7983, rel=0.001)
    hours = call("rl", {"pass_rate": 0.3, "target_pass_rate": 0.455}).values["accelerator_hours"]
    assert number(hours) == pytest.approx(2542, rel=1e-6)


def test_out_of_reach_and_above_the_asymptote():
    never = call("rl", {"pass_rate": 0.3, "target_pass_rate": 0.9}).values["accelerator_hours"]
    assert str(never.value).startswith("out of reach")
    above = call("rl", {"pass_rate": 0.8, "accelerator_hours": 1e4})
    assert "pass_rate" not in above.values
    assert any("above the published asymptote" in notice.text for notice in above.warnings)


def test_fit_recovers_a_known_curve():
    fit = fit_curve(_run())
    assert pytest.approx(0.61, abs=0.006) == fit.A
    assert fit.at(64_000) == pytest.approx(0.3 + 0.31 / (1 + (2542 / 64_000) ** 1.92), abs=0.005)
    noisy = fit_curve(_run(noise=0.004))
    assert noisy.A_low <= noisy.A <= noisy.A_high
    assert pytest.approx(0.61, abs=0.03) == noisy.A


def test_own_run_is_extrapolated_and_serves_as_a_law():
    result = call("rl", {"curve": _run(), "accelerator_hours": 64_000})
    assert number(result.values["pass_rate"]) == pytest.approx(0.609, abs=0.006)


def test_named_run_that_was_not_read_is_said_so():
    result = call("rl", {"runs": "rl_curve.csv", "accelerator_hours": 64_000})
    assert any(n.level == "warning" and "rl_curve.csv" in n.text for n in result.warnings)


def test_updates_to_data_ratio():
    result = call("rl", {"compute_flops": 4e14})
    assert number(result.values["updates_per_step_gym"]) == pytest.approx(2.96, rel=0.03)
    stated = call("rl", {"updates_per_step": 2}).values
    assert number(stated["data"]) == pytest.approx(448_400, rel=0.01)
    assert number(call("rl", {"updates_per_step": 8}).values["batch_size"]) < number(stated["batch_size"])


@pytest.mark.parametrize(
    "curve", [[[1, 2]], [[1.0, 0.5]] * 4, [[1, 0.1], [2, 0.2], [3, 1.5], [4, 0.4]], [[-1, 0.1], [2, 0.2], [3, 0.3], [4, 0.4]]]
)
def test_bad_curves(curve):
    with pytest.raises(InputError):
        call("rl", {"curve": curve})


def test_a_ratio_far_outside_its_fits_does_not_lead() -> None:
    result = call("rl", {"compute_flops": 1e21, "law": "rybkin2025_utd"})
    assert not any(key.startswith("updates_per_step") for key in result.headline)
    assert "not usable" in result.warnings[0].text


def test_best_of_n_against_a_learned_reward() -> None:
    result = call("rl", {"samples": 1000})
    assert result.values["kl_nats"].number == pytest.approx(5.9088, rel=1e-3)  # log n - (n-1)/n
    assert call("rl", {"law": "gao2022_overopt"}).tables[0].rows[-1][1] == pytest.approx(10.0, rel=1e-3)  # the paper: about 10 nats


def test_an_attached_curve_is_read_by_its_columns():
    points = _run()
    table = {"GPU hours": [hours for hours, _ in points], "reward": [rate for _, rate in points], "step": list(range(len(points)))}
    by_table = call("rl", {"accelerator_hours": 64_000, "table": table, "runs": "rl_curve.csv"})
    by_points = call("rl", {"accelerator_hours": 64_000, "curve": points})
    assert by_table.values == by_points.values
    with pytest.raises(InputError, match="one of: accelerator_hours"):
        call("rl", {"table": {"step": [1, 2], "reward": [0.1, 0.2]}})
    with pytest.raises(InputError, match="no number"):
        call("rl", {"table": {"hours": [1, "x"], "reward": [0.1, 0.2]}})
