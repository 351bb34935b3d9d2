"""What a run loses by its learning rate and batch: a smooth surface of the excess over the best of each sweep, from the table's own sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.fitting.runs import RunTable

Floats = npt.NDArray[np.float64]
_KNOBS, _SCALES = ("lr", "batch"), ("params", "tokens")
_MOST = 0.5  # log excess beyond which a run counts as diverged
_LEAST_RUNS, _LEAST_SETTINGS = 40, 4
_RIDGE, _ROBUST, _ITERATIONS = 1e-2, 0.01, 20


@dataclass(frozen=True)
class Sweep:
    """Log excess loss over what the size and tokens allow, by learning rate and batch: coefficients of a polynomial in logs."""

    knobs: tuple[str, ...]
    low: Floats
    high: Floats
    coefficients: Floats
    most: float
    sd: float  # of log loss, from settings of size and tokens left out

    def excess(self, points: RunTable) -> Floats:
        """Log excess of points [n]; NaN where a knob is not told. Settings beyond the sweeps are read at their edge."""
        return np.clip(_design(self._scaled(points), len(self.knobs)) @ self.coefficients, 0.0, self.most)

    def _scaled(self, points: RunTable) -> Floats:
        return 2.0 * (np.clip(_logs(points, self.knobs), self.low, self.high) - self.low) / (self.high - self.low) - 1.0


def fit_sweep(runs: RunTable, points: RunTable, best: Floats) -> Sweep | None:
    """The sweep surface of `runs`, whose best losses at their size and tokens are `best`; None where runs or points tell no sweep."""
    knobs = tuple(name for name in _KNOBS if name in runs and name in points and len(np.unique(runs[name][np.isfinite(runs[name])])) > 2)
    if not knobs:
        return None
    logs, excess = _logs(runs, knobs), np.log(np.maximum(runs["loss"], 1e-9) / best)
    sound = np.isfinite(logs).all(axis=1) & np.isfinite(excess) & (excess < _MOST)
    _, setting = np.unique(np.round(logs[:, len(knobs) :], 3), axis=0, return_inverse=True)
    setting = np.asarray(setting).ravel()
    if sound.sum() < _LEAST_RUNS or len(np.unique(setting[sound])) < _LEAST_SETTINGS:
        return None
    logs, excess, setting = logs[sound], excess[sound], setting[sound]
    low, high = logs.min(axis=0), logs.max(axis=0)
    if np.any(high - low < 1e-6):
        return None
    design = _design(2.0 * (logs - low) / (high - low) - 1.0, len(knobs))
    missed = np.concatenate(
        [excess[setting == one] - design[setting == one] @ _solve(design, excess, setting != one) for one in np.unique(setting)]
    )
    everything = np.ones(len(excess), bool)
    return Sweep(knobs, low, high, _solve(design, excess, everything), float(excess.max()), float(np.quantile(np.abs(missed), 0.9)) / 1.645)


def _logs(table: RunTable, knobs: Sequence[str]) -> Floats:
    values = np.stack([np.asarray(table[name], dtype=np.float64) for name in (*knobs, *_SCALES)], axis=1)
    return np.log(np.where(values > 0, values, np.nan))


def _design(scaled: Floats, knobs: int) -> Floats:
    """Every quadratic term, and cubes of the knobs: a rate too high costs more than one too low."""
    width = scaled.shape[1]
    pairs = [scaled[:, i] * scaled[:, j] for i in range(width) for j in range(i, width)]
    return np.stack([np.ones(len(scaled)), *scaled.T, *pairs, *(scaled[:, :knobs] ** 3).T], axis=1)


def _solve(design: Floats, excess: Floats, rows: npt.NDArray[np.bool_]) -> Floats:
    """Least squares with a ridge, reweighted so that far rows count by their absolute error."""
    X, y = design[rows], excess[rows]
    weight, found = np.ones(len(y)), np.zeros(X.shape[1])
    for _ in range(_ITERATIONS):
        found = np.linalg.solve((X * weight[:, None]).T @ X + _RIDGE * np.eye(X.shape[1]), (X * weight[:, None]).T @ y)
        weight = 1.0 / np.maximum(1.0, np.abs(y - X @ found) / _ROBUST)
    return np.asarray(found, dtype=np.float64)
