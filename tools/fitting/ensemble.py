"""The forecasting ensemble: three loss surfaces with weak priors, fitted with weight on the best runs; their median predicts.

Why priors: a small table leaves exponents and bends undetermined, and their maximum-likelihood values then explode beyond it.
Why weights: no form holds from the first steps of training to its end, and a forecast is about the good end.
Forms, prior width and weight were chosen by leave-one-table-out back-tests (evals/fitting_report.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.fitting._solver import Normal, solve
from tools.fitting.objective import HUBER_DELTA, Objective
from tools.fitting.spec import FitForm, Parameter, even_points

Floats = npt.NDArray[np.float64]
FOCUS = 20.0  # a run's weight is (best loss / its loss)^FOCUS
PRIOR = 10.0  # strength of the priors, in units of Huber's delta times PRIOR_NOISE
PRIOR_NOISE = 0.006  # typical residual of log loss between runs of one table
MIN_EFFECTIVE_RUNS = 5.0
N_STARTS = 16


@dataclass(frozen=True)
class Member:
    """A surface of the ensemble: its form and, for each parameter, prior mean, prior sd and bounds."""

    name: str
    form: str
    parameters: tuple[tuple[str, float, float, float, float], ...]

    def spec(self, constants: Mapping[str, float]) -> FitForm:
        """The fit form on a table's centre."""
        parameters = tuple(
            Parameter(name, mean - 1.5 * sd, mean + 1.5 * sd, bounds=(low, high)) for name, mean, sd, low, high in self.parameters
        )
        return FitForm(self.name, self.name, self.form, {"N": "params", "D": "tokens"}, parameters, constants=constants)


_TERMS = (("e", -0.43, 0.35, -14.0, 5.0), ("n", -1.5, 1.5, -14.0, 5.0), ("d", -1.5, 1.5, -14.0, 5.0))
_EXPONENTS = (("alpha", 0.35, 0.12, 0.03, 3.0), ("beta", 0.35, 0.12, 0.03, 3.0))
MEMBERS: tuple[Member, ...] = (
    Member("chinchilla", "chinchilla_centred_loss", _TERMS + _EXPONENTS),
    Member("kaplan_floor", "kaplan_floor_centred_loss", _TERMS + _EXPONENTS),
    Member(
        "farseer",
        "farseer_centred_loss",
        (
            ("g", -0.2, 0.5, -14.0, 5.0),
            ("g_slope", -0.06, 0.06, -2.0, 1.0),
            ("g_bend", 0.0, 0.3, -1.0, 1.0),
            ("b", -1.2, 1.0, -14.0, 5.0),
            ("b_slope", -0.02, 0.15, -2.0, 2.0),
            ("b_bend", 0.0, 0.2, -1.0, 1.0),
            ("a", -1.0, 0.4, -4.0, 1.0),
            ("a_slope", 0.0, 0.05, -1.0, 1.0),
            ("a_bend", 0.0, 0.2, -1.0, 1.0),
        ),
    ),
)


class PenalisedObjective(Objective):
    """The Huber objective plus a quadratic penalty strength/2 sum ((theta - mean)/sd)^2."""

    def __init__(
        self, member: Member, inputs: Mapping[str, Floats], target: Floats, constants: Mapping[str, float], strength: float
    ) -> None:
        super().__init__(member.spec(constants), inputs, target)
        self.mean = np.array([p[1] for p in member.parameters])
        self.precision = strength / np.array([p[2] for p in member.parameters]) ** 2

    def normal(self, theta: Floats, w: Floats, /, damping: bool = True) -> Normal:
        """Normal equations with the prior's share added."""
        found = super().normal(theta, w, damping)
        off = theta - self.mean
        return Normal(
            found.cost + 0.5 * (self.precision * off * off).sum(1),
            found.gradient - self.precision * off,
            found.inside + np.diag(self.precision),
            found.outside,
        )

    def start(self, n: int) -> Floats:
        """Starts spread over the bulk of the prior [n, p]."""
        sd = np.array([0.0 if p.high == p.low else (p.high - p.low) / 3.0 for p in self.spec.parameters])
        return self.mean + 3.0 * sd * (even_points(n, self.p) - 0.5)


@dataclass(frozen=True)
class Ensemble:
    """Fitted members; `weights` are those of the training runs, mean one."""

    members: tuple[Member, ...]
    objectives: tuple[PenalisedObjective, ...]
    thetas: tuple[Floats, ...]
    weights: Floats

    def predict(self, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
        """Each member's loss [n] at N and D."""
        return {
            member.name: objective.predict(theta[None, :], inputs)[0]
            for member, objective, theta in zip(self.members, self.objectives, self.thetas, strict=True)
        }

    def resampled(self, inputs: Mapping[str, Floats], n: int, seed: int) -> tuple[Floats, Floats]:
        """Median forecasts of `n` row resamples [n, points], and the resamples' weights of the training rows [n, rows]."""
        rng = np.random.default_rng(seed)
        rows = len(self.weights)
        counts = np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(n)]).astype(float) * self.weights
        found: list[Floats] = []
        for objective, theta in zip(self.objectives, self.thetas, strict=True):
            size = max(1, 40_000 // rows)
            parts = [
                solve(
                    objective.normal,
                    np.tile(theta, (len(counts[a : a + size]), 1)),
                    counts[a : a + size],
                    objective.bounds,
                    tolerance=1e-4,
                    max_iterations=15,
                    damping=0.3,
                ).theta
                for a in range(0, n, size)
            ]
            found.append(objective.predict(np.concatenate(parts), inputs))
        return np.median(np.stack(found), axis=0), counts


def focus_weights(loss: Floats, focus: float = FOCUS) -> Floats:
    """Row weights (reference / loss)^focus, at most 1 before they are scaled to mean one.

    The reference is a low quantile rather than the lowest loss, lest one faulty row take all the weight; the focus is
    eased until at least MIN_EFFECTIVE_RUNS runs count.
    """
    order = np.sort(loss)
    reference = float(order[min(len(order) - 1, max(2, len(order) // 20))])
    excess = np.log(np.maximum(loss / reference, 1.0))
    while True:
        w = np.exp(-focus * excess)
        if focus < 0.5 or w.sum() ** 2 / (w * w).sum() >= min(MIN_EFFECTIVE_RUNS, 0.8 * len(loss)):
            return w / w.mean()
        focus *= 0.8


def fit_ensemble(
    inputs: Mapping[str, Floats],
    loss: Floats,
    *,
    members: Sequence[Member] = MEMBERS,
    focus: float = FOCUS,
    prior: float = PRIOR,
    row_weights: Floats | None = None,
) -> Ensemble:
    """Fit the members to runs (N, D and positive losses)."""
    weights = focus_weights(loss, focus)
    if row_weights is not None:
        weights = weights * row_weights / float(np.mean(weights * row_weights))
    constants = {
        "N_0": float(np.exp(np.mean(np.log(inputs["N"])))),
        "D_0": float(np.exp(np.mean(np.log(inputs["D"])))),
        "L_0": float(loss.min()),
    }
    objectives = [PenalisedObjective(m, inputs, loss, constants, prior * HUBER_DELTA * PRIOR_NOISE) for m in members]
    thetas = [_best(objective, weights[None, :]) for objective in objectives]
    return Ensemble(tuple(members), tuple(objectives), tuple(thetas), weights)


def _best(objective: PenalisedObjective, weights: Floats) -> Floats:
    """Penalised optimum: a wide Huber and strong prior first, then the real ones."""
    precision, delta = objective.precision, objective.delta
    objective.delta, objective.precision = 20 * delta, 10 * precision
    wide = solve(objective.normal, objective.start(N_STARTS), weights, objective.bounds, tolerance=1e-3, max_iterations=25)
    objective.delta, objective.precision = delta, precision
    near = solve(objective.normal, wide.theta, weights, objective.bounds, tolerance=1e-6, max_iterations=40)
    front = np.argsort(near.cost, kind="stable")[:2]
    last = solve(objective.normal, near.theta[front], weights, objective.bounds, tolerance=1e-9, max_iterations=80)
    return last.theta[int(np.argmin(last.cost))]


def median_forecast(predictions: Mapping[str, Any]) -> Floats:
    """The members' median."""
    return np.median(np.stack(list(predictions.values())), axis=0)
