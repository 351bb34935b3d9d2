"""Which small runs to do: an exchange algorithm on the Fisher information of a law's form, under a compute budget.

Runs are chosen so that the variance of what is wanted (the loss of a target run, its optimal size, or the coefficients) is
least: c- and D-optimal design (Fedorov 1972) linearised at the coefficients of an assumed law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from knowledge.errors import InputError
from tools.fitting.jet import Jet, value_of
from tools.forms import get_form

Floats = npt.NDArray[np.float64]
Want = Literal["loss", "params", "coefficients"]
FLOPS_PER_PARAM_TOKEN = 6.0
NOISE = 0.005  # sd of log loss between two runs of one setting, middle of the repeated runs in public suites (0.2 to 1%)
Z90 = 1.645
_PRIOR_SD = 3.0  # of log coefficients: so weak that it only keeps an unfinished design's matrix invertible
_RATIOS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)  # tokens per parameter offered; below 5 no form describes a run well
_MOST_REPEATS = 2  # more repeats of one setting would trust the form too much
SMALLEST = 2e7  # params: below this a model is mostly its embeddings, and laws of large ones stop describing it
_LARGEST_SHARE = 0.35  # of the budget that one run may take


@dataclass(frozen=True)
class Planned:
    """One setting: parameters, tokens, FLOP of a run, and how many repeats."""

    params: float
    tokens: float
    flops: float
    repeats: int


@dataclass(frozen=True)
class Plan:
    """Chosen settings and the 90% half-widths they are expected to give, relative (log) for loss and size."""

    runs: tuple[Planned, ...]
    flops: float
    loss_halfwidth: float
    params_halfwidth: float | None
    criterion: float

    @property
    def n_runs(self) -> int:
        """Runs in all, repeats counted."""
        return sum(run.repeats for run in self.runs)


@dataclass(frozen=True)
class Problem:
    """A form with assumed coefficients, a target run and the noise of a run's log loss."""

    form: str
    coefficients: Mapping[str, float]
    target_params: float
    target_tokens: float
    noise: float = NOISE
    optimum_form: str = ""

    def gradient(self, N: Any, D: Any) -> Floats:
        """d log L / d log |coefficient| at runs [n] -> [p, n]."""
        return _log_gradient(self.form, (np.asarray(N, float), np.asarray(D, float)), self.coefficients, "")

    def size_gradient(self) -> Floats | None:
        """d log N* / d log |coefficient| at the target's compute [p]; None where the form has no closed optimum."""
        if not self.optimum_form:
            return None
        C = FLOPS_PER_PARAM_TOKEN * self.target_params * self.target_tokens
        return _log_gradient(self.optimum_form, (np.array([C]),), self.coefficients, "N")[:, 0]


def _log_gradient(form: str, inputs: tuple[Floats, ...], coefficients: Mapping[str, float], output: str) -> Floats:
    jets = {name: Jet(np.array([value]), {i: np.array([value])}) for i, (name, value) in enumerate(coefficients.items())}
    out = get_form(form).fn(*inputs, **jets)
    found = out[output] if isinstance(out, dict) else out
    value = value_of(found)
    rows = [np.broadcast_to(found.partials.get(i, 0.0), value.shape) / value for i in range(len(coefficients))]
    return np.stack(rows).astype(np.float64)


@dataclass
class _Candidates:
    params: Floats
    tokens: Floats
    flops: Floats
    gradient: Floats  # [p, n], divided by the noise


def _candidates(problem: Problem, budget: float, sizes: int = 16) -> _Candidates:
    """Settings on a grid of size and tokens per parameter whose single run takes at most a third of the budget."""
    largest = (_LARGEST_SHARE * budget / (FLOPS_PER_PARAM_TOKEN * 20.0)) ** 0.5 * 2.0
    grid = np.exp(np.linspace(np.log(min(SMALLEST, largest / 30.0)), np.log(largest), sizes))
    N, ratio = (axis.ravel() for axis in np.meshgrid(grid, np.array(_RATIOS), indexing="ij"))
    D = N * ratio
    C = FLOPS_PER_PARAM_TOKEN * N * D
    keep = _LARGEST_SHARE * budget >= C
    if keep.sum() < 8:
        raise InputError("compute_flops", f"{budget:.3g} FLOP leave no room for a set of runs", "give a larger budget")
    return _Candidates(N[keep], D[keep], C[keep], problem.gradient(N[keep], D[keep]) / problem.noise)


class _Criterion:
    """What is minimised, from the inverse information matrix."""

    def __init__(self, problem: Problem, want: Want) -> None:
        self.loss = problem.gradient([problem.target_params], [problem.target_tokens])[:, 0]
        self.size = problem.size_gradient()
        if want == "params" and self.size is None:
            raise InputError(
                "want", f"the optimal size of form {problem.form} has no closed formula", "ask for the loss or the coefficients"
            )
        self.vector = {"loss": self.loss, "params": self.size, "coefficients": None}[want]

    def value(self, inverse: Floats) -> float:
        """Variance of the wanted quantity, or the log volume of the coefficients' ellipsoid."""
        if self.vector is None:
            return float(np.linalg.slogdet(inverse)[1])
        return float(self.vector @ inverse @ self.vector)

    def gains(self, inverse: Floats, gradient: Floats) -> Floats:
        """How much one more run of each candidate lowers the value [n] (rank-one update of the inverse)."""
        projected = inverse @ gradient
        leverage = np.einsum("pn,pn->n", gradient, projected)
        if self.vector is None:
            return np.log1p(leverage)
        return (self.vector @ projected) ** 2 / (1.0 + leverage)


def _inverse(counts: Floats, gradient: Floats) -> Floats:
    information = (gradient * counts) @ gradient.T + np.eye(len(gradient)) / _PRIOR_SD**2
    return np.asarray(np.linalg.inv(information), np.float64)


def plan_runs(problem: Problem, budget: float, want: Want = "loss", most_runs: int = 30) -> Plan:
    """Greedy choice of the run that gains most for its share of the budget and of the number of runs, then exchanges while they help."""
    options, criterion = _candidates(problem, budget), _Criterion(problem, want)
    tried = [_exchange(options, criterion, budget, most_runs, thrift) for thrift in (0.0, 0.3, 1.0, 3.0)]
    counts = min(tried, key=lambda chosen: criterion.value(_inverse(chosen, options.gradient)))
    chosen = [
        Planned(float(options.params[i]), float(options.tokens[i]), float(options.flops[i]), int(counts[i])) for i in np.flatnonzero(counts)
    ]
    return assess(problem, chosen, criterion)


def _exchange(options: _Candidates, criterion: _Criterion, budget: float, most_runs: int, thrift: float) -> Floats:
    """Repeats of each candidate [n]: greedy, then the best replacement of one run while it improves the criterion."""
    counts = np.zeros(len(options.flops))
    _fill(counts, options, criterion, budget, most_runs, thrift)
    value = criterion.value(_inverse(counts, options.gradient))
    for _ in range(40):
        before = value
        for i in np.flatnonzero(counts):
            trial = counts.copy()
            trial[i] -= 1
            _fill(trial, options, criterion, budget, most_runs, thrift)
            found = criterion.value(_inverse(trial, options.gradient))
            if found < value:
                counts, value = trial, found
                break
        if value >= before - 1e-4 * abs(before):
            break
    return counts


def _fill(counts: Floats, options: _Candidates, criterion: _Criterion, budget: float, most_runs: int, thrift: float) -> None:
    """Add runs in place, the most gain for its price first, until no affordable one is left; `thrift` is how much FLOP weigh in it."""
    while counts.sum() < most_runs:
        left = budget - float(counts @ options.flops)
        affordable = (options.flops <= left) & (counts < _MOST_REPEATS)
        if not affordable.any():
            return
        gains = criterion.gains(_inverse(counts, options.gradient), options.gradient)
        price = thrift * options.flops / budget + 1.0 / most_runs  # both limits are spent by a run
        worth = np.where(affordable, gains / price, -1.0)
        pick = int(np.argmax(worth))
        if gains[pick] <= 1e-12:
            return
        counts[pick] += 1


def assess(problem: Problem, runs: list[Planned], criterion: _Criterion | None = None) -> Plan:
    """The precision that a set of runs is expected to give."""
    judge = criterion or _Criterion(problem, "loss")
    N, D = np.array([run.params for run in runs]), np.array([run.tokens for run in runs])
    counts = np.array([float(run.repeats) for run in runs])
    inverse = _inverse(counts, problem.gradient(N, D) / problem.noise)
    size = None if judge.size is None else Z90 * float(np.sqrt(judge.size @ inverse @ judge.size))
    return Plan(
        tuple(sorted(runs, key=lambda run: run.flops)),
        float(sum(run.flops * run.repeats for run in runs)),
        Z90 * float(np.sqrt(judge.loss @ inverse @ judge.loss)),
        size,
        judge.value(inverse),
    )


def isoflop_grid(problem: Problem, budget: float, levels: int = 5, sizes: int = 6, step: float = 3.0) -> Plan:
    """The common alternative: compute levels a factor apart, sizes from a quarter to four times the level's optimum."""
    weights = step ** np.arange(levels)
    base = budget / (sizes * float(weights.sum()))
    ratios = np.exp(np.linspace(np.log(0.25), np.log(4.0), sizes))
    runs: list[Planned] = []
    for C in base * weights:
        best = _best_size(problem, float(C))
        runs += [Planned(float(best * r), float(C / (FLOPS_PER_PARAM_TOKEN * best * r)), float(C), 1) for r in ratios]
    return assess(problem, runs)


def _best_size(problem: Problem, C: float) -> float:
    """Size of least loss under C by the assumed law, on a fine grid."""
    N = np.exp(np.linspace(np.log((C / 6e4) ** 0.5), np.log((C / 6) ** 0.5), 400))
    out = get_form(problem.form).fn(N, C / (FLOPS_PER_PARAM_TOKEN * N), **problem.coefficients)
    return float(N[int(np.argmin(out))])
