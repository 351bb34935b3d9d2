"""Profile intervals: how far one parameter can move before the fit, all others refitted, becomes clearly worse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tools.fitting._solver import NormalFn, solve
from tools.fitting.fitted import Fitted

Floats = npt.NDArray[np.float64]
_CHI2_90 = 2.706  # 90% quantile of chi-squared with one degree of freedom


def profile_intervals(fit: Fitted, steps: int = 25, reach: float = 4.0) -> dict[str, tuple[float, float]]:
    """90% profile interval of each exponent and log amplitude on the fitted scale, by name; infinite where it never closes.

    The end is where the cost has risen by 2.706/(n-p) of itself, as if the Huber cost were a sum of squares: an
    approximation to compare with the bootstrap, not to replace it.
    """
    objective, best = fit.solved()
    sd = np.std(fit.spread.theta, axis=0) if fit.spread is not None else np.full(objective.p, 0.1)
    limit = best.cost * (1 + _CHI2_90 / max(objective.n - objective.p, 1))
    ones = np.ones((1, objective.n))
    found: dict[str, tuple[float, float]] = {}
    for i, name in enumerate(fit.spec.names):
        grid = best.theta[i] + np.linspace(-reach, reach, 2 * steps + 1) * max(float(sd[i]), 1e-6)
        costs = _profile(objective.normal, best.theta, i, grid, ones, objective.bounds)
        found[name] = _crossings(grid, costs, limit)
    return found


def _profile(normal: NormalFn, theta: Floats, i: int, grid: Floats, ones: Floats, bounds: tuple[Floats, Floats]) -> Floats:
    """Least cost at each fixed value of parameter i: all values solved together, the parameter pinned by its bounds row."""
    start = np.tile(theta, (len(grid), 1))
    start[:, i] = grid
    low, high = np.tile(bounds[0], (len(grid), 1)), np.tile(bounds[1], (len(grid), 1))
    low[:, i] = high[:, i] = grid
    costs = [solve(normal, start[k : k + 1], ones, (low[k], high[k]), tolerance=1e-8, max_iterations=60).cost[0] for k in range(len(grid))]
    return np.array(costs)


def _crossings(grid: Floats, costs: Floats, limit: float) -> tuple[float, float]:
    middle = len(grid) // 2
    low, high = -np.inf, np.inf
    for k in range(middle, 0, -1):
        if costs[k - 1] > limit:
            share = (limit - costs[k]) / (costs[k - 1] - costs[k])
            low = grid[k] + share * (grid[k - 1] - grid[k])
            break
    for k in range(middle, len(grid) - 1):
        if costs[k + 1] > limit:
            share = (limit - costs[k]) / (costs[k + 1] - costs[k])
            high = grid[k] + share * (grid[k + 1] - grid[k])
            break
    return float(low), float(high)
