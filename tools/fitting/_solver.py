"""Many robust nonlinear fits at once: every start and every resample is a row of one array.

Each row minimises sum_i w_i Huber_delta(y_i - f_i(theta)) by Gauss-Newton on the rows inside delta. The step is damped
towards that of iteratively reweighted least squares, whose curvature majorises the Huber loss: damping 1 is a descent
step of a convex problem, damping 0 the fast finishing step, and both are invariant to how parameters are scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Normal(NamedTuple):
    """Cost [S], downhill gradient [S,p] and curvature [S,p,p] from residuals inside and outside delta.

    The outside part only damps, so an older one will do: it is None where it was not asked for.
    """

    cost: Floats
    gradient: Floats
    inside: Floats
    outside: Floats | None


class NormalFn(Protocol):
    """Normal equations of rows of parameters [S,p] under row weights [S,n] or [1,n]."""

    def __call__(self, theta: Floats, w: Floats, /, damping: bool = True) -> Normal: ...


_STALE_ABOVE, _STALE_SHARE = 0.1, 0.2  # the damping part is renewed while this share of rows is damped by more than this


@dataclass(frozen=True)
class Solution:
    """Rows of fitted parameters with their cost; `converged` says which met the tolerance."""

    theta: Floats
    cost: Floats
    converged: npt.NDArray[np.bool_]
    iterations: int


def cholesky_solve(matrix: Floats, right: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Solve [S,p,p] x = [S,p] for all rows at once; the flag is False where a matrix is not positive definite."""
    n_rows, p = right.shape
    low = np.zeros_like(matrix)
    fine = np.ones(n_rows, bool)
    for j in range(p):
        pivot = matrix[:, j, j] - np.einsum("sk,sk->s", low[:, j, :j], low[:, j, :j])
        bad = ~(pivot > 1e-15 * np.abs(matrix[:, j, j]))
        fine &= ~bad
        root = np.sqrt(np.where(bad, 1.0, pivot))
        low[:, j, j] = root
        if j + 1 < p:
            low[:, j + 1 :, j] = (matrix[:, j + 1 :, j] - np.einsum("sik,sk->si", low[:, j + 1 :, :j], low[:, j, :j])) / root[:, None]
    out = np.zeros_like(right)
    for j in range(p):
        out[:, j] = (right[:, j] - np.einsum("sk,sk->s", low[:, j, :j], out[:, :j])) / low[:, j, j]
    for j in reversed(range(p)):
        out[:, j] = (out[:, j] - np.einsum("sk,sk->s", low[:, j + 1 :, j], out[:, j + 1 :])) / low[:, j, j]
    return out, fine


def _step(
    normal: Normal, outside: Floats, damping: Floats, theta: Floats, bounds: tuple[Floats, Floats]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Trial step [S,p], the decrease it promises [S], and whether it could be computed; parameters held at a bound stay."""
    share = np.minimum(damping, 1.0)[:, None, None]
    curvature = (normal.inside + share * outside) * np.maximum(damping, 1.0)[:, None, None]
    scale = np.einsum("sii->si", normal.inside + outside)
    diagonal = np.einsum("sii->si", curvature)  # a view
    diagonal += 1e-13 * scale + 1e-300
    held = ((theta <= bounds[0]) & (normal.gradient < 0)) | ((theta >= bounds[1]) & (normal.gradient > 0))
    gradient = normal.gradient
    if held.any():
        gradient = np.where(held, 0.0, gradient)
        curvature = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature)
        np.einsum("sii->si", curvature)[held] = 1.0
    step, fine = cholesky_solve(curvature, gradient)
    return step, 0.5 * np.einsum("si,si->s", step, gradient), fine


def solve(
    normal_at: NormalFn,
    start: Floats,
    weights: Floats,
    bounds: tuple[Floats, Floats],
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 100,
    damping: float = 1.0,
) -> Solution:
    """Minimise every row of `start` [S,p] with row weights [S,n] or [1,n]; a row stops once a step promises < tolerance x cost."""
    theta = np.clip(start, *bounds)
    first = normal_at(theta, weights)
    cost, gradient, inside = first.cost, first.gradient, first.inside
    outside = first.outside if first.outside is not None else np.zeros_like(inside)
    lam = np.full(len(theta), damping)
    converged = np.zeros(len(theta), bool)
    live = np.arange(len(theta))
    shared = len(weights) == 1
    w = weights
    iteration = 0
    for iteration in range(1, max_iterations + 1):  # noqa: B007
        here = Normal(cost[live], gradient[live], inside[live], None)
        step, promised, fine = _step(here, outside[live], lam, theta[live], bounds)
        trial = np.clip(theta[live] + step, *bounds)
        new = normal_at(trial, w, damping=bool(np.mean(lam > _STALE_ABOVE) > _STALE_SHARE))
        gained = here.cost - new.cost
        better = fine & (gained > 0)
        to = live[better]
        theta[to], cost[to], gradient[to], inside[to] = trial[better], new.cost[better], new.gradient[better], new.inside[better]
        if new.outside is not None:
            outside[to] = new.outside[better]
        tiny = fine & (promised <= tolerance * np.abs(here.cost) + 1e-26)
        # A full step that promises nothing means arrival; a damped one only after damping has made it useless.
        done = tiny & ((lam < 0.5) | (promised <= 1e-4 * tolerance * here.cost + 1e-28))
        stuck = lam > 1e10
        converged[live[done]] = True
        with np.errstate(all="ignore"):
            ratio = gained / np.maximum(promised, 1e-300)
        lam = np.where(better, np.where(ratio > 0.5, lam * 0.2, np.where(ratio < 0.1, lam * 2, lam)), np.maximum(lam * 4, 1e-3))
        lam = np.maximum(lam, 1e-5)
        keep = ~(done | stuck)
        if not keep.all():
            live, lam = live[keep], lam[keep]
            w = w if shared else w[keep]
            if not len(live):
                break
    return Solution(theta, cost, converged, iteration)
