"""The spread of a fit: bootstrap by row, by training run or of residuals; sandwich covariance; profile intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tools.fitting._solver import solve
from tools.fitting.estimate import Optimum, solve_resamples
from tools.fitting.objective import Objective

Floats = npt.NDArray[np.float64]
Method = Literal["row", "run", "residual", "sandwich"]
MAX_CELLS = 4e7  # resamples x rows beyond which the asymptotic covariance is used instead


@dataclass(frozen=True)
class Spread:
    """Draws of the internal parameters [B,p] and how they were made; `failed` resamples did not converge and are kept."""

    theta: Floats
    method: Method
    seed: int
    failed: int = 0

    def coefficients(self, objective: Objective) -> dict[str, Floats]:
        """Draws of each coefficient [B]."""
        return objective.natural(self.theta)


def _row_weights(rng: np.random.Generator, n_rows: int, clusters: npt.NDArray[np.int64] | None, n: int) -> npt.NDArray[np.uint16]:
    """How often each row is drawn, [n, n_rows]; whole training runs are drawn where `clusters` names them."""
    units = n_rows if clusters is None else int(clusters.max()) + 1
    counts = np.empty((n, units), np.uint16)
    step = max(1, 4_000_000 // units)
    for a in range(0, n, step):
        b = min(a + step, n)
        picked = rng.integers(0, units, (b - a, units)) + np.arange(b - a)[:, None] * units
        counts[a:b] = np.bincount(picked.ravel(), minlength=(b - a) * units).reshape(b - a, units)
    return counts if clusters is None else counts[:, clusters]


def bootstrap(
    objective: Objective,
    optimum: Optimum,
    n: int,
    *,
    seed: int = 0,
    method: Method = "row",
    clusters: npt.NDArray[np.int64] | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Spread:
    """`n` draws of the parameters. Resamples are weights on the same rows, all solved from the optimum to tight tolerance."""
    if method == "sandwich" or n * objective.n > MAX_CELLS:
        return sandwich_draws(objective, optimum, n, seed, clusters)
    if method == "residual":
        return _residual_bootstrap(objective, optimum, n, seed)
    counts = _row_weights(np.random.default_rng(seed), objective.n, clusters if method == "run" else None, n)
    found = solve_resamples(objective, optimum.theta, lambda a, b: counts[a:b].astype(float), n, n_workers=n_workers, progress=progress)
    return Spread(found.theta, method, seed, int((~found.converged).sum()))


def _residual_bootstrap(objective: Objective, optimum: Optimum, n: int, seed: int) -> Spread:
    """Residuals drawn with replacement around the fitted curve: the design stays, as in a planned experiment."""
    rng = np.random.default_rng(seed)
    fitted = objective.y - objective.residuals(optimum.theta[None, :])
    residual = objective.residuals(optimum.theta[None, :])[0]
    y, theta, failed = objective.y, [], 0
    size = max(1, 60_000 // objective.n)
    try:
        for a in range(0, n, size):
            count = min(size, n - a)
            objective.y = fitted + residual[rng.integers(0, objective.n, (count, objective.n))]
            # Each resample has its own y: rows of the batch must stay aligned, so converged rows are not dropped here.
            for i in range(count):
                shifted = objective.y[i : i + 1]
                held, objective.y = objective.y, shifted
                part = solve(
                    objective.normal,
                    optimum.theta[None, :],
                    np.ones((1, objective.n)),
                    objective.bounds,
                    tolerance=1e-9,
                    max_iterations=60,
                    damping=0.3,
                )
                objective.y = held
                theta.append(part.theta[0])
                failed += int(not part.converged[0])
    finally:
        objective.y = y
    return Spread(np.array(theta), "residual", seed, failed)


def sandwich(objective: Objective, theta: Floats, clusters: npt.NDArray[np.int64] | None = None) -> Floats:
    """Robust covariance H^-1 (sum_i s_i s_i^T) H^-1 of the internal parameters [p,p].

    The Huber curvature is that of rows within a window around zero, scaled to delta (Powell 1991's estimate of the
    density at zero): few rows lie inside 1e-3 itself.
    """
    f, jacobian = objective.linearise(theta[None, :])
    r = (objective.y - f)[0]
    scores = jacobian[0] * np.clip(r, -objective.delta, objective.delta)
    if clusters is not None:
        grouped = np.zeros((scores.shape[0], int(clusters.max()) + 1))
        np.add.at(grouped.T, clusters, scores.T)
        scores = grouped
    width = max(objective.delta, 1.06 * float(np.median(np.abs(r))) / 0.6745 * len(r) ** -0.2)
    near = jacobian[0] * (np.abs(r) <= width)
    bread = np.linalg.pinv(near @ jacobian[0].T * (objective.delta / width))
    covariance = bread @ (scores @ scores.T) @ bread
    return (covariance + covariance.T) / 2


def sandwich_draws(objective: Objective, optimum: Optimum, n: int, seed: int, clusters: npt.NDArray[np.int64] | None = None) -> Spread:
    """Normal draws from the sandwich covariance, for tables too large to refit thousands of times."""
    covariance = sandwich(objective, optimum.theta, clusters)
    draws = np.random.default_rng(seed).multivariate_normal(optimum.theta, covariance, n, method="eigh")
    return Spread(np.clip(draws, *objective.bounds), "sandwich", seed)
