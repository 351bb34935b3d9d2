"""Forecasts of larger runs from smaller ones: the ensemble's median with a 90% interval, and the back-tests behind both.

The interval's scale comes from four things measured on the table itself (residuals at the good end, bootstrap, members'
disagreement, how far the point lies) with factors set once on back-tests of 27 real series, whose coverage
evals/fitting_report.py shows; the table's own back-test at the same compute ratio is a floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from knowledge.errors import InputError
from tools.fitting.ensemble import MEMBERS, Ensemble, fit_ensemble, median_forecast
from tools.fitting.fitted import Fitted, fit_runs
from tools.fitting.parallel import spread, workers
from tools.fitting.runs import RunTable, describe_group, for_size_and_tokens
from tools.fitting.spec import FitForm, fit_form
from tools.fitting.sweep import Sweep, fit_sweep

Floats = npt.NDArray[np.float64]
# Factors of the interval's standard deviation (of log loss), and the multiple of it that covers 90%.
RESIDUAL, BOOTSTRAP, DISAGREEMENT, DISTANCE, BACKTEST = 1.0, 1.0, 0.4, 0.004, 0.25
MULTIPLE = 1.9
# Worth of repeated tokens: how far it may miss, low and high, as a share of log(loss with the unique tokens alone / loss with all of them
# fresh). Set on the 175 repeated runs of Muennighoff et al. 2023; the high side holds the overfitting that no law here describes.
REPEATED_LOW, REPEATED_HIGH = 0.05, 0.4
OVERFITS = 40.0  # epochs from which a loss may rise again
LEAST_SD = 1e-3
FREEDOM = 3.0  # coefficients the runs pay for: residuals of n effective runs are too small by (1 - 3/n)^(1/2)
MOSTLY_NEGATIVE = 0.1
MIN_RUNS = 6
MIN_TO_JUDGE = 15  # fewer runs are too few to tell a weak trend from none: the interval says it instead
N_RESAMPLES = 40
DROP_RATIO = 3.0  # a member whose back-test error is this many times the best one's loses its place
_CLIP = 0.1
REHEARSAL_SECONDS = 2e-4  # of one rehearsal, a run, measured on one core


@dataclass(frozen=True)
class BackTest:
    """One rehearsal: fitted on compute up to `train_flops`, tested `ratio` times above; errors of log loss by member."""

    ratio: float
    train_flops: float
    runs: int
    targets: int
    errors: dict[str, float]
    ensemble: float


@dataclass(frozen=True)
class Forecast:
    """Predictions [n] with interval for one group; NaN where a point cannot be predicted, with the reason in `notes`."""

    table: RunTable
    loss: Floats
    low: Floats
    high: Floats
    members: dict[str, Floats]
    used: tuple[str, ...]
    backtests: tuple[BackTest, ...]
    notes: tuple[str, ...] = field(default=())
    ensemble: Ensemble | None = None


def _rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.clip(errors, -_CLIP, _CLIP) ** 2)))


def rehearsals(flops: Floats, ratio: float, most: int = 4, least_runs: int = 8) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows to fit on and rows to predict, the latter `ratio` times above the former in compute, at successively lower tops."""
    found: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
    top = float(flops.max())
    for _ in range(most):
        below = flops <= top * 1.001
        if below.sum() < least_runs + 2:
            break
        falling = np.sort(flops[below])[::-1]
        low = min(falling[0] / 1.6, falling[min(2, len(falling) - 1)], falling[int(0.05 * len(falling))])
        train = (flops < low * 0.999) & (flops <= low / max(ratio / 1.26, 1.0) * 1.001)
        if train.sum() >= least_runs:
            found.append((np.flatnonzero(train), np.flatnonzero(below & (flops >= low * 0.999))))
        top = low / 1.3
    return found


def backtest(table: RunTable, ratio: float) -> list[BackTest]:
    """The members' and the ensemble's errors on the table's own larger runs, at the same compute ratio."""
    given = _inputs(table), table["loss"], table["flops"]
    pieces = [(*given, train, target) for train, target in rehearsals(table["flops"], ratio)]
    return spread(_rehearse, pieces, max(1, min(workers(), len(pieces))), seconds=REHEARSAL_SECONDS * len(table) * len(pieces))


def _rehearse(
    inputs: dict[str, Floats], loss: Floats, flops: Floats, train: npt.NDArray[np.intp], target: npt.NDArray[np.intp]
) -> BackTest:
    predicted = fit_ensemble({k: v[train] for k, v in inputs.items()}, loss[train]).predict({k: v[target] for k, v in inputs.items()})
    return BackTest(
        float(np.median(flops[target]) / flops[train].max()),
        float(flops[train].max()),
        len(train),
        len(target),
        {name: _rms(np.log(loss[target] / value)) for name, value in predicted.items()},
        _rms(np.log(loss[target] / median_forecast(predicted))),
    )


def places_earned(tests: list[BackTest]) -> tuple[str, ...]:
    """Members whose pooled back-test error is within DROP_RATIO of the best; all where there is no back-test."""
    names = [member.name for member in MEMBERS]
    if not tests:
        return tuple(names)
    pooled = {name: float(np.sqrt(np.mean([test.errors[name] ** 2 for test in tests]))) for name in names}
    return tuple(name for name in names if pooled[name] <= DROP_RATIO * min(pooled.values()))


def forecast_group(table: RunTable, points: RunTable, *, seed: int = 0) -> Forecast:
    """Forecast every point of one group by the ensemble. Raises InputError when the runs cannot carry a forecast."""
    swept = table
    table = for_size_and_tokens(table)
    if np.mean(table["loss"] <= 0) > MOSTLY_NEGATIVE:
        return _on_the_loss_itself(table, points, seed)
    table = _checked(table, points)
    at, notes = _point_inputs(table, points)
    sound = np.isfinite(at["N"]) & np.isfinite(at["D"]) & (at["N"] > 0) & (at["D"] > 0)
    if not sound.any():
        raise InputError("at", "no point has both a size and a number of tokens", "columns params and tokens, or either with flops")
    inner = {name: values[sound] for name, values in at.items()}
    flops = points["flops"][sound] if "flops" in points else table.flops_per_param_token * inner["N"] * inner["D"]
    ratio = np.maximum(flops / float(table["flops"].max()), 1.0)
    tests = backtest(table, float(np.median(ratio)))
    used = places_earned(tests)
    ensemble = fit_ensemble(_inputs(table), table["loss"])
    members = ensemble.predict(inner)
    loss = median_forecast({name: members[name] for name in used})
    sd = _spread(table, ensemble, inner, members, ratio, tests, seed)
    doubt = _repetition(points, sound, ensemble, used)
    sweep, excess = _by_its_knobs(swept, points, sound, ensemble, used)
    if sweep is not None:
        notes.append(f"points are predicted at their own {' and '.join(sweep.knobs)}, by the table's own sweeps")
        told = np.isfinite(excess)
        loss, sd = loss * np.exp(np.where(told, excess, 0.0)), np.where(told, np.hypot(sd, sweep.sd), sd)
    return Forecast(
        table,
        _full(loss, sound),
        _full(loss * np.exp(-MULTIPLE * np.hypot(sd, REPEATED_LOW * doubt)), sound),
        _full(loss * np.exp(MULTIPLE * np.hypot(sd, REPEATED_HIGH * doubt)), sound),
        {name: _full(values, sound) for name, values in members.items()},
        used,
        tuple(tests),
        (*notes, *_missing(points, sound), *_far(ratio)),
        ensemble,
    )


def _by_its_knobs(
    swept: RunTable, points: RunTable, sound: npt.NDArray[np.bool_], ensemble: Ensemble, used: tuple[str, ...]
) -> tuple[Sweep | None, Floats]:
    """The table's sweeps of learning rate and batch, and the log excess [n] they say of the points' own; NaN where a point tells none."""
    positive = swept.take((swept["params"] > 0) & (swept["tokens"] > 0) & (swept["loss"] > 0))
    best = median_forecast({name: value for name, value in ensemble.predict(_inputs(positive)).items() if name in used})
    found = fit_sweep(positive, points, best)
    return found, found.excess(points)[sound] if found else np.full(int(sound.sum()), np.nan)


def _repetition(points: RunTable, sound: npt.NDArray[np.bool_], ensemble: Ensemble, used: tuple[str, ...]) -> Floats:
    """What hangs on the worth of repeated tokens: log(loss with the unique tokens alone / loss with all tokens fresh), 0 without repetition."""
    tokens = points["tokens"][sound]
    if "unique_tokens" not in points:
        return np.zeros(len(tokens))
    unique = np.minimum(np.where(np.isfinite(points["unique_tokens"]), points["unique_tokens"], np.inf)[sound], tokens)
    ends = [
        median_forecast({name: value for name, value in ensemble.predict({"N": points["params"][sound], "D": D}).items() if name in used})
        for D in (unique, tokens)
    ]
    return np.clip(np.log(ends[0] / ends[1]), 0.0, 1.0)


def _on_the_loss_itself(table: RunTable, points: RunTable, seed: int) -> Forecast:
    """Normalised losses below zero have no logarithm: one additive form with linear residuals takes the ensemble's place."""
    name = "vocabulary" if "vocab_params" in table and "vocab_params" in points else "chinchilla"
    found, _ = forecast_with_form(table, points, fit_form(name), seed=seed)
    return replace(found, notes=(f"losses at or below zero: form {name} fitted to the loss itself instead of the ensemble", *found.notes))


def _inputs(table: RunTable) -> dict[str, Floats]:
    return {"N": table["params"], "D": table["tokens"]}


def _full(values: Floats, sound: npt.NDArray[np.bool_]) -> Floats:
    out = np.full(len(sound), np.nan)
    out[sound] = values
    return out


def _checked(table: RunTable, points: RunTable) -> RunTable:
    """The table once it can carry a forecast; a few non-positive losses are set aside."""
    table = table.set_aside(table["loss"] <= 0, "zero or negative: a log fit cannot take it", table.names.get("loss", "loss"))
    if len(table) < MIN_RUNS:
        raise InputError(
            "runs", f"{len(table)} runs cannot carry a forecast", f"at least {MIN_RUNS} are needed, and 20 for a narrow interval"
        )
    if float(np.ptp(table["loss"])) == 0.0 or len(np.unique(np.stack([table["params"], table["tokens"]], 1), axis=0)) < 4:
        raise InputError("runs", "cannot carry a forecast", "they show too few different settings or no difference in loss")
    if len(table) >= MIN_TO_JUDGE:
        rehearsal = fit_runs(table, fit_form("tied"), n_bootstrap=0, n_starts=16)
        if rehearsal.status == "undetermined" and rehearsal.optimum is not None:
            raise InputError("runs", "cannot carry a forecast", "; ".join(rehearsal.reasons))
    for role in ("params", "tokens"):
        low, high = float(table[role].min()), float(table[role].max())
        asked = points[role] if role in points else np.zeros(0)
        if high / low < 1.3 and np.any(np.abs(np.log(asked[asked > 0] / low)) > 0.5):
            raise InputError("runs", f"all runs have one value of {role}", f"points at another {role} cannot be predicted from them")
    return table


def _point_inputs(table: RunTable, points: RunTable) -> tuple[dict[str, Floats], list[str]]:
    """Size and tokens of the points; repeated tokens counted by what they are worth (Muennighoff et al. 2023, eq. 5)."""
    for role in ("params", "tokens"):
        if role not in points:
            raise InputError(
                "at", f"the points have no {role}, and it cannot be computed", "columns params and tokens, or either with flops"
            )
    tokens, notes = points["tokens"], []
    if "unique_tokens" in points and np.any(points["unique_tokens"] < 0.999 * tokens):
        from knowledge.library import LawBook
        from tools.forms import get_form
        from tools.law import resolve_variant

        law = LawBook().get("muennighoff2023")
        variant = law.variants[resolve_variant(law, "loss") or ""]
        unique = np.where(np.isfinite(points["unique_tokens"]), points["unique_tokens"], tokens)
        tokens = np.asarray(get_form("effective_tokens").fn(tokens, np.minimum(unique, tokens), Rd=variant.values["Rd"])["D_eff"])
        notes.append("points with repeated data are predicted at the fresh tokens they are worth (Muennighoff et al. 2023)")
        if np.any(points["tokens"] > OVERFITS * unique):
            notes.append(
                f"some points see their data more than {OVERFITS:g} times: their loss may rise by overfitting, which no law here describes"
            )
    del table
    return {"N": points["params"], "D": tokens}, notes


def _missing(points: RunTable, sound: npt.NDArray[np.bool_]) -> list[str]:
    rows = [str(int(row)) for row in points.rows[~sound]]
    return [f"no prediction for rows {', '.join(rows[:10])}: size or tokens missing or not positive"] if rows else []


def _far(ratio: Floats) -> list[str]:
    most = float(ratio.max())
    return [f"up to {most:.0f}x beyond the largest run in compute; past 10x no form has a record of holding"] if most > 10.5 else []


def _spread(
    table: RunTable,
    ensemble: Ensemble,
    at: Mapping[str, Floats],
    members: Mapping[str, Floats],
    ratio: Floats,
    tests: list[BackTest],
    seed: int,
) -> Floats:
    """Standard deviation of the error of log loss at each point [n]."""
    residual = np.log(table["loss"]) - np.log(median_forecast(ensemble.predict(_inputs(table))))
    noise = float(np.sqrt(np.average(np.clip(residual, -_CLIP, _CLIP) ** 2, weights=ensemble.weights)))
    resampled, _ = ensemble.resampled(at, N_RESAMPLES, seed)
    with np.errstate(invalid="ignore"):
        boot = np.nan_to_num(np.std(np.log(resampled), axis=0), nan=_CLIP)
    apart = np.std(np.log(np.stack(list(members.values()))), axis=0)
    variance = (
        (RESIDUAL * noise) ** 2 + (BOOTSTRAP * boot) ** 2 + (DISAGREEMENT * apart) ** 2 + (DISTANCE * np.log(ratio)) ** 2 + LEAST_SD**2
    )
    floor = BACKTEST * float(np.sqrt(np.mean([test.ensemble**2 for test in tests]))) if tests else 0.0
    effective = float(ensemble.weights.sum() ** 2 / (ensemble.weights**2).sum())
    return np.maximum(np.sqrt(variance), floor) * np.sqrt(effective / max(effective - FREEDOM, 1.0))


def forecast_with_form(
    table: RunTable, points: RunTable, spec: FitForm, *, seed: int = 0, n_bootstrap: int = 400
) -> tuple[Forecast, Fitted]:
    """Forecast by one form: interval from its bootstrap plus its residuals, widened with distance. InputError when undetermined."""
    fit = fit_runs(table, spec, n_bootstrap=n_bootstrap, seed=seed)
    if not fit.params or fit.target is None or fit.spread is None:
        raise InputError("runs", "cannot carry a forecast", fit.verdict)
    at = {name: points[role] for name, role in spec.inputs.items()}
    sound = np.all([np.isfinite(v) & (v > 0) for v in at.values()], axis=0)
    inner = {name: values[sound] for name, values in at.items()}
    loss = fit.predict(inner)
    draws = fit.target.predict(fit.spread.theta, inner)
    residual = fit.target.residuals(fit.target.internal(fit.params)[None, :])[0]
    flops = points["flops"][sound] if "flops" in points and "flops" in fit.table else np.ones(int(sound.sum()))
    top = float(fit.table["flops"].max()) if "flops" in fit.table else 1.0
    far = DISTANCE * np.log(np.maximum(flops / top, 1.0))
    if fit.spec.residual == "log":
        sd = np.sqrt(float(np.var(residual)) + np.var(np.log(draws), axis=0) + (2 * far) ** 2)
        low, high = loss * np.exp(-MULTIPLE * sd), loss * np.exp(MULTIPLE * sd)
    else:
        sd = np.sqrt(float(np.var(residual)) + np.var(draws, axis=0) + (2 * far * np.abs(loss)) ** 2)
        low, high = loss - MULTIPLE * sd, loss + MULTIPLE * sd
    result = Forecast(
        fit.table,
        _full(loss, sound),
        _full(low, sound),
        _full(high, sound),
        {spec.name: _full(loss, sound)},
        (spec.name,),
        (),
        (*fit.reasons, *_missing(points, sound)),
    )
    return result, fit


def matched_groups(table: RunTable, points: RunTable) -> list[tuple[dict[str, str], npt.NDArray[np.intp]]]:
    """Which points belong to which group of runs, by the columns both have. Raises InputError when that cannot be told."""
    groups = table.groups()
    everyone = np.arange(len(points))
    if len(groups) == 1:
        return [(groups[0], everyone)]
    shared = [role for role in groups[0] if role in points.words]
    if not shared:
        names = "; ".join(describe_group(group) for group in groups[:8])
        raise InputError(
            "group",
            f"the runs hold {len(groups)} groups and the points do not say which is meant",
            f"add --group, or a column {' or '.join(groups[0])} to the points; groups: {names}",
        )
    found: list[tuple[dict[str, str], npt.NDArray[np.intp]]] = []
    claimed = np.zeros(len(points), bool)
    for group in groups:
        mine = np.all([[str(word) == group[role] for word in points.words[role]] for role in shared], axis=0)
        if np.any(mine & claimed):
            raise InputError(
                "group", f"points match several groups by {', '.join(shared)}", f"add a column {', '.join(set(groups[0]) - set(shared))}"
            )
        if mine.any():
            found.append((group, np.flatnonzero(mine)))
            claimed |= mine
    if not claimed.all():
        lost = [str(int(row)) for row in points.rows[~claimed]]
        raise InputError(
            "at", f"rows {', '.join(lost[:10])} belong to no group of the runs", "groups: " + "; ".join(map(describe_group, groups[:8]))
        )
    return found
