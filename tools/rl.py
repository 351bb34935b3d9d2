"""`rl`: pass rate against accelerator-hours of language-model RL, and updates-to-data ratios of value-based RL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError
from knowledge.hardware import accelerator
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools._law_values import arithmetic, coefficient, law_numbers, law_value, number, table
from tools._overoptimisation import LAW as OVEROPTIMISATION
from tools._overoptimisation import overoptimisation
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value

CURVE, UTD = "khatri2025_scalerl", "rybkin2025_utd"
_HOURS_COLUMNS = ("accelerator_hours", "gpu_hours", "h100_hours", "a100_hours", "hours", "compute_hours")
_PASS_COLUMNS = ("pass_rate", "reward", "mean_reward", "accuracy", "solve_rate", "score", "pass_1", "pass")
_UTD_FITTED = (0.25, 16.0)  # updates per environment step of the published runs
_PAPER = "Khatri et al. 2025, arXiv:2510.13786"
_FITTED_ON = "gb200"
_SHARES = (0.5, 0.8, 0.9, 0.95, 0.99)
_ABOVE = "The starting pass rate lies above the published asymptote: these curves are for a harder set of problems, so fit your own."
_EXAMPLE_BUDGET = 1e15
_BUDGETS = (1e13, 1e14, 1e15, 1e16)
# Variants of the published curves that are whole recipes; the others are parts of a joint run.
_RECIPES = ("length_32k", "batch_512", "batch_2048", "scout_moe")
_WARM_UP_HOURS = 1500.0  # dropped before fitting, as in the paper


class RlRequest(ToolRequest):
    """What is known of an RL run; fields and units of the brief, and the points of a run where there are some."""

    accelerator_hours: float | None = Field(default=None, gt=0)
    n_accelerators: float | None = Field(default=None, gt=0)
    duration_seconds: float | None = Field(default=None, gt=0)
    accelerator: str | None = None
    pass_rate: float | None = Field(default=None, ge=0, lt=1, description="pass rate before RL")
    target_pass_rate: float | None = Field(default=None, gt=0, lt=1)
    params_total: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(
        default=None, gt=0, description="joint budget of value-based RL: compute plus delta times environment steps"
    )
    updates_per_step: float | None = Field(default=None, gt=0)
    samples: float | None = Field(default=None, ge=1, le=1e9, description="answers of which a learned reward picks the best")
    architecture: str | None = None
    curve: list[list[float]] | None = Field(default=None, description="points of a run: [accelerator-hours, pass rate] each")
    runs: str | None = Field(default=None, description="name of an attached run")
    table: dict[str, list[float | int | str | bool | None]] | None = Field(
        default=None, description="its cells by column: hours and pass rate"
    )
    law: str | None = None


@tool(task="rl", title="What more RL compute brings")
def rl(request: RlRequest, laws: LawBook) -> Result:
    """Gain, asymptote and hours of language-model RL (Khatri et al. 2025); UTD, batch and data of value-based RL (Rybkin et al. 2025).

    With `samples`, or gao2022_overopt named, best-of-n against a learned reward. With `curve` the sigmoid is fitted to those points
    and extrapolated. Raises InputError for points that cannot be fitted.
    """
    if request.law == OVEROPTIMISATION or (request.samples is not None and request.law is None and request.curve is None):
        return overoptimisation(request.samples, laws)
    if (
        request.law == UTD
        or request.updates_per_step is not None
        or (request.compute_flops is not None and request.accelerator_hours is None)
    ):
        return _value_based(request, laws)
    if request.curve is not None:
        return _own_run(request)
    if request.table is not None:
        return _own_run(request.model_copy(update={"curve": curve_of(request.table)}))
    return _published(request, laws)


def curve_of(table: Mapping[str, Sequence[Any]]) -> list[list[float]]:
    """[accelerator-hours, pass rate] points of a table's columns. Raises InputError for a table without them or cells that are no numbers."""
    named = {re.sub(r"\W+", "_", name.strip().lower()): cells for name, cells in table.items()}
    found = [next((named[name] for name in names if name in named), None) for names in (_HOURS_COLUMNS, _PASS_COLUMNS)]
    for cells, names in zip(found, (_HOURS_COLUMNS, _PASS_COLUMNS), strict=True):
        if cells is None:
            raise InputError("runs", f"the table has columns {', '.join(table)}", f"an RL curve needs one of: {', '.join(names)}")
    try:
        return [[float(hours), float(rate)] for hours, rate in zip(found[0] or (), found[1] or (), strict=True)]
    except (TypeError, ValueError) as error:
        raise InputError("runs", f"holds a cell that is no number ({error})", "give hours and pass rates as numbers") from None


@dataclass(frozen=True)
class FittedCurve:
    """A sigmoid fitted to a run: asymptote, efficiency exponent, hours at half the gain, start, root mean square error, and
    the range of asymptotes whose error is within a tenth of the best."""

    A: float
    B: float
    C_mid: float
    R0: float
    error: float
    A_low: float
    A_high: float

    def at(self, hours: float) -> float:
        """Pass rate after some accelerator-hours."""
        return self.R0 + (self.A - self.R0) / (1 + (self.C_mid / hours) ** self.B)


def fit_curve(points: list[list[float]], start: float | None = None) -> FittedCurve:
    """Fit R = R0 + (A - R0)/(1 + (C_mid/C)^B) to [hours, pass rate] points by the paper's grid over A, with B and C_mid by regression.

    The first 1,500 hours are dropped when enough points remain. Without `start` the first pass rate is R0. Raises InputError for
    fewer than four points above the start.
    """
    hours, rates = _points(points)
    R0 = float(rates[0]) if start is None else start
    late = hours >= _WARM_UP_HOURS
    use = (late if np.count_nonzero(late) >= 4 else hours > 0) & (rates > R0)
    if np.count_nonzero(use) < 4:
        raise InputError(
            "curve", "needs at least four points above the starting pass rate", "add later points, or state the pass rate before RL"
        )
    x, y = np.log(hours[use]), rates[use]
    ceilings = np.arange(max(0.45, float(y.max()) + 0.005), 1.0, 0.005)
    fits = [_at_ceiling(x, y, R0, float(A)) for A in ceilings]
    errors = np.array([fit[0] for fit in fits])
    best = int(np.argmin(errors))
    near = ceilings[errors <= 1.1 * errors[best] + 1e-9]
    return FittedCurve(float(ceilings[best]), fits[best][1], fits[best][2], R0, float(errors[best]), float(near.min()), float(near.max()))


def _points(points: list[list[float]]) -> tuple[Any, Any]:
    if any(len(point) != 2 for point in points) or len(points) < 4:
        raise InputError("curve", "needs at least four [accelerator-hours, pass rate] points", f"got {len(points)}")
    ordered = np.array(sorted(points), float)
    if not (np.isfinite(ordered).all() and (ordered[:, 0] >= 0).all() and ((ordered[:, 1] >= 0) & (ordered[:, 1] <= 1)).all()):
        raise InputError("curve", "has hours below 0 or pass rates outside 0..1", "pass rates are fractions")
    return ordered[:, 0], ordered[:, 1]


def _at_ceiling(x: Any, y: Any, R0: float, A: float) -> tuple[float, float, float]:
    """Error, B and C_mid of the best curve with a given asymptote: the sigmoid is a line in log-odds of the gain."""
    from scipy.optimize import least_squares

    share = np.clip((y - R0) / (A - R0), 1e-4, 1 - 1e-4)
    slope, intercept = np.polyfit(x, np.log(share / (1 - share)), 1)
    slope = max(float(slope), 0.05)

    def residual(theta: Any) -> Any:
        return R0 + (A - R0) / (1 + np.exp(-np.exp(theta[0]) * (x - theta[1]))) - y

    solved = least_squares(residual, [np.log(slope), -float(intercept) / slope], method="lm")
    return float(np.sqrt(np.mean(solved.fun**2))), float(np.exp(solved.x[0])), float(np.exp(min(solved.x[1], 700.0)))


def _own_run(request: RlRequest) -> Result:
    """What a saturating curve through the run's own points says of more hours."""
    points = request.curve or []
    fit = fit_curve(points, request.pass_rate)
    values = _fitted_values(fit)
    headline = ["asymptote"]
    hours = request.accelerator_hours
    warnings: list[Notice] = []
    if hours is not None:
        values["pass_rate"] = _of_run(
            fit.at(hours),
            f"pass rate after {hours:,.0f} hours",
            "probability",
            inputs={"A": fit.A, "B": fit.B, "C_mid": fit.C_mid, "R0": fit.R0},
        )
        headline = ["pass_rate", "asymptote"]
        if hours > 4 * max(point[0] for point in points):
            text = "Budgets more than about four times the run's length lean on the fitted asymptote; its range is the honest interval."
            warnings.append(Notice(level="caution", text=text, source=_PAPER))
    text = "Hours before 1,500 were left out of the fit where enough points remained, as in the paper."
    warnings.append(Notice(level="info", text=text, source=_PAPER))
    return Result(
        tool="rl",
        task="rl",
        headline=headline,
        values=values,
        warnings=warnings,
        reasons=["A saturating curve extrapolates RL runs where a power law overshoots."],
    )


def _fitted_values(fit: FittedCurve) -> dict[str, Value]:
    return {
        "asymptote": _of_run(
            fit.A,
            "asymptotic pass rate of the run",
            "probability",
            low=fit.A_low,
            high=fit.A_high,
            interval_basis="asymptotes whose error is within a tenth of the best",
        ),
        "efficiency": _of_run(fit.B, "efficiency exponent", "exponent"),
        "half_gain_hours": _of_run(fit.C_mid, "hours at half of the gain", "accelerator_hours", "accelerator-h"),
        "fit_error": _of_run(fit.error, "root mean square error of the fit", "probability"),
    }


def _of_run(value: float, label: str, quantity: str, unit: str = "", **more: Any) -> Value:
    """A number of the curve fitted to the run at hand (Khatri et al. 2025)."""
    return arithmetic(value, label, unit, quantity, "R = R0 + (A - R0)/(1 + (C_mid/C)^B)", "fitted to the given run", **more)


def _published(request: RlRequest, laws: LawBook) -> Result:
    card = laws.get(request.law if request.law and "gain_fraction" in laws.get(request.law).relations else CURVE)
    variant = "scout_moe" if request.architecture == "moe" and "scout_moe" in card.variants else None
    hours, assumptions = _hours(request)
    start = request.pass_rate
    values: dict[str, Value] = {"asymptote": _asymptote(card, variant)}
    headline = ["asymptote"]
    above = start is not None and start >= number(values["asymptote"])
    if above:
        start = None  # the published curve would fall from there
    if hours is not None:
        values["gain_fraction"] = law_value(laws, card.id, "gain_fraction", {"C": hours}, "", variant, "share of the attainable gain")
        headline.insert(0, "gain_fraction")
        if start is not None:
            values["pass_rate"] = law_value(laws, card.id, "pass_rate", {"C": hours, "R0": start}, "R", variant, "expected pass rate")
            headline.insert(0, "pass_rate")
    else:
        label = "GB200 hours to nine tenths of the gain"
        values["saturation_hours"] = law_value(laws, card.id, "hours_for_gain", {"f": 0.9}, "", variant, label)
        headline = ["saturation_hours", "asymptote"]
    if request.target_pass_rate is not None and start is not None:
        values["accelerator_hours"] = _to_target(laws, card.id, variant, request.target_pass_rate, start, number(values["asymptote"]))
        headline.insert(0, "accelerator_hours")
    if not request.model_fields_set:
        assumptions = [
            *assumptions,
            Assumption(field="compute_flops", value=_EXAMPLE_BUDGET, unit="FLOP", source="example for value-based RL; state the budget"),
        ]
        values |= _best_ratios(laws, _EXAMPLE_BUDGET)
        headline += ["updates_per_step_gym", "updates_per_step_dmc"]
    return Result(
        tool="rl",
        task="rl",
        headline=headline,
        values=values,
        tables=[_curve_table(start, laws, card.id, variant, hours), *([] if request.model_fields_set else [_utd_table(laws)])],
        alternatives=_other_recipes(laws, hours, variant),
        assumptions=assumptions,
        warnings=_curve_warnings(request, above),
        reasons=[
            "The published recipe with an 8B model is the default; longer generation, larger batches and larger models raise the"
            " asymptote and take more hours."
        ],
    )


def _to_target(laws: LawBook, law: str, variant: str | None, target: float, start: float, ceiling: float) -> Value:
    """GB200 hours to a pass rate, or that the recipe does not get there."""
    label = "GB200 hours to the target pass rate"
    if target >= ceiling:
        return arithmetic("out of reach: above the recipe's asymptote", label, law=law, relation="hours_for_pass_rate")
    return law_value(laws, law, "hours_for_pass_rate", {"R": target, "R0": start}, "", variant, label)


def _asymptote(card: LawCard, variant: str | None) -> Value:
    key = variant or card.default_variant or "base_8b"
    coefficients = card.variants[key]
    A = coefficient(card, key, "A")
    low, high = coefficients.interval.bounds["A"] if coefficients.interval and "A" in coefficients.interval.bounds else (None, None)
    return arithmetic(
        A,
        "asymptotic pass rate of the published recipe on its own held-out set",
        "",
        "probability",
        "R0 + (A - R0)/(1 + (C_mid/C)^B) as C grows",
        coefficients.source,
        law=card.id,
        variant=key,
        low=low,
        high=high,
        level=coefficients.interval.level if coefficients.interval else None,
        interval_basis="three runs",
        note="the asymptote belongs to the paper's data, model and code; yours will differ",
    )


def _hours(request: RlRequest) -> tuple[float | None, list[Assumption]]:
    """Accelerator-hours in GB200 hours, by the ratio of dense bf16 peaks."""
    hours = request.accelerator_hours
    if hours is None and request.n_accelerators is not None and request.duration_seconds is not None:
        hours = request.n_accelerators * request.duration_seconds / 3600
    if hours is None:
        return None, []
    if request.accelerator is None:
        return hours, [
            Assumption(field="accelerator", value=_FITTED_ON, source="the law counts GB200 hours; state the accelerator to convert")
        ]
    own, base = accelerator(request.accelerator), accelerator(_FITTED_ON)
    ratio = own.peak("bf16") / base.peak("bf16")
    return hours * ratio, [
        Assumption(
            field="gb200_hours",
            value=hours * ratio,
            unit="accelerator-h",
            source=f"{hours:,.0f} {own.name} hours at the ratio of dense bf16 peaks; generation speed may differ, so measure it",
        )
    ]


def _curve_table(start: float | None, laws: LawBook, law: str, variant: str | None, hours: float | None) -> Table:
    times = sorted(
        {float(law_numbers(laws, law, "hours_for_gain", {"f": f}, variant)["C"]) for f in _SHARES} | ({hours} if hours else set())
    )
    rows: list[list[Any]] = []
    for C in times:
        share = float(law_numbers(laws, law, "gain_fraction", {"C": C}, variant)["gain_fraction"])
        rate = float(law_numbers(laws, law, "pass_rate", {"C": C, "R0": start}, variant)["R"]) if start is not None else None
        rows.append([C, share, rate])
    columns = {
        "hours": ("GB200 hours", "accelerator-h"),
        "gain_fraction": ("share of the attainable gain", ""),
        "pass_rate": ("pass rate", ""),
    }
    return table(
        "reward_curve",
        "Gain against hours",
        columns,
        rows,
        "" if start is not None else "state the pass rate before RL for pass rates",
    )


def _other_recipes(laws: LawBook, hours: float | None, variant: str | None) -> list[Alternative]:
    card, found = laws.get(CURVE), list[Alternative]()
    for key in (k for k in ("base_8b", *_RECIPES) if k in card.variants and k != (variant or card.default_variant)):
        values = {
            "asymptote": _asymptote(card, key),
            "saturation_hours": law_value(laws, CURVE, "hours_for_gain", {"f": 0.9}, variant=key, label="hours to nine tenths of the gain"),
        }
        if hours is not None:
            values["gain_fraction"] = law_value(
                laws, CURVE, "gain_fraction", {"C": hours}, variant=key, label="share of the attainable gain"
            )
        found.append(Alternative(name=card.variants[key].label, values=values))
    return found


def _curve_warnings(request: RlRequest, above: bool) -> list[Notice]:
    unread = Notice(level="warning", text=f"The run {request.runs} was not read: these are the published curves, not yours.")
    found = [
        *([unread] if request.runs is not None else []),
        *([Notice(level="warning", text=_ABOVE, source=_PAPER)] if above else []),
        Notice(
            level="caution",
            text=(
                "Asymptote and speed belong to one code base and one data set; fit the curve to the first few thousand hours of your own"
                " run before committing."
            ),
            source=_PAPER,
        ),
    ]
    if request.pass_rate is None:
        found.append(
            Notice(
                level="info",
                text="The pass rate before RL sets where the curve starts; without it only the share of the gain can be given.",
                source=_PAPER,
            )
        )
    if request.params_total is not None and not 4e9 <= request.params_total <= 2e10 and request.architecture != "moe":
        found.append(
            Notice(
                level="caution",
                text="The dense curves are for an 8B model; a larger one has a higher asymptote, a smaller one a lower.",
                source=_PAPER,
            )
        )
    return found


def _utd_table(laws: LawBook) -> Table:
    rows = [
        [F, *(float(law_numbers(laws, UTD, "optimal_utd", {"F": F}, key)["sigma"]) for key in ("optimum_gym", "optimum_dmc"))]
        for F in _BUDGETS
    ]
    columns = {
        "budget": ("compute + delta x steps", "FLOP"),
        "gym": ("updates per step, Gym", "updates/step"),
        "dmc": ("updates per step, DeepMind Control", "updates/step"),
    }
    return table(
        "updates_to_data",
        "Best updates-to-data ratio of value-based RL by budget",
        columns,
        rows,
        "Rybkin et al. 2025: the sign of the trend differs between suites; values far from 0.25 to 16 are outside the fits",
    )


def _best_ratios(laws: LawBook, budget: float) -> dict[str, Value]:
    """Best updates per environment step on either suite for a joint budget in FLOP."""
    return {
        f"updates_per_step_{suite}": law_value(
            laws, UTD, "optimal_utd", {"F": budget}, variant=f"optimum_{suite}", label=f"best updates per environment step, {name}"
        )
        for suite, name in (("gym", "Gym"), ("dmc", "DeepMind Control"))
    }


def _utd_beyond(budget: float) -> Notice:
    """What a ratio outside the fits means."""
    low, high = _UTD_FITTED
    text = (
        f"At {budget:.3g} FLOP the law's best ratio lies outside the {low:g} to {high:g} updates per step it was fitted on: not usable. "
        "It is for value-based control, not for tuning language models; accelerator-hours lead to the law for those."
    )
    return Notice(level="warning", text=text, source=UTD)


def _value_based(request: RlRequest, laws: LawBook) -> Result:
    values: dict[str, Value] = {}
    if request.compute_flops is not None:
        values |= _best_ratios(laws, request.compute_flops)
    sigma = request.updates_per_step or float(np.clip(number(values["updates_per_step_gym"]) if values else 2.0, *_UTD_FITTED))
    given = {"sigma": sigma}
    values["data"] = law_value(
        laws, UTD, "data", given, variant="data_gym", label=f"environment steps to 800 of 1000 at {sigma:.3g} updates per step, Gym"
    )
    values["batch_size"] = law_value(laws, UTD, "batch_size", given, label="batch size there (HalfCheetah)")
    values["learning_rate"] = law_value(laws, UTD, "learning_rate", given, label="learning rate there (HalfCheetah)")
    assumed = (
        []
        if request.updates_per_step or request.compute_flops
        else [Assumption(field="updates_per_step", value=2.0, source="middle of the fitted range; state it or a budget")]
    )
    ratios = ("updates_per_step_gym", "updates_per_step_dmc")
    strange = [key for key in ratios if key in values and not _UTD_FITTED[0] <= number(values[key]) <= _UTD_FITTED[1]]
    headline = [key for key in (*ratios, "data", "batch_size") if key in values and key not in strange]
    notices = [_utd_beyond(request.compute_flops)] if strange and request.compute_flops is not None else []
    return Result(
        tool="rl",
        task="rl",
        headline=headline,
        values=values,
        tables=[_utd_table(laws)],
        assumptions=assumed,
        warnings=[
            *notices,
            Notice(
                level="warning",
                text=(
                    "The best ratio rises with the budget on Gym and falls on DeepMind Control: fit it on your own suite, never transfer"
                    " the sign."
                ),
                source="Rybkin et al. 2025, arXiv:2502.04327",
            ),
        ],
        reasons=["Batch size and learning rate fall as updates per step rise, to keep overfitting of the value function in check."],
    )
