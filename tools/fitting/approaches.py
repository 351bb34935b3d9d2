"""Chinchilla's approaches 1 and 2 to the optimal size, beside the parametric approach 3 (Hoffmann et al. 2022, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.fitting.runs import RunTable

Floats = npt.NDArray[np.float64]
_LEVEL_WIDTH = 0.05  # runs within 5% of compute are one isoFLOP level


@dataclass(frozen=True)
class Parabola:
    """One isoFLOP level: log L = curvature (log N - log best)^2 + least, with the runs it was fitted to."""

    flops: float
    best_params: float
    least_log_loss: float
    curvature: float
    runs: int
    inside: bool


@dataclass(frozen=True)
class SizeLaw:
    """log N* = intercept + exponent log C, from `points` optima; `bias` says what the approach is known to get wrong."""

    approach: int
    exponent: float
    intercept: float
    points: int
    stderr: float
    bias: str

    def params(self, flops: float) -> float:
        """Optimal size at a compute."""
        return float(np.exp(self.intercept + self.exponent * np.log(flops)))


def levels(flops: Floats) -> list[npt.NDArray[np.intp]]:
    """Indices of runs of equal compute (within 5%), by rising compute."""
    order = np.argsort(flops, kind="stable")
    breaks = np.flatnonzero(np.diff(np.log(flops[order])) > _LEVEL_WIDTH) + 1
    return list(np.split(order, breaks))


def parabolas(table: RunTable) -> list[Parabola]:
    """A quadratic in log N through each isoFLOP level of at least four sizes that curves upward."""
    found: list[Parabola] = []
    for rows in levels(table["flops"]):
        x, y = np.log(table["params"][rows]), np.log(table["loss"][rows])
        if len(np.unique(np.round(x, 4))) < 4:
            continue
        centre = float(x.mean())
        a, b, c = np.polyfit(x - centre, y, 2)
        if a <= 0:
            continue
        best = centre - b / (2 * a)
        found.append(
            Parabola(
                float(np.exp(np.log(table["flops"][rows]).mean())),
                float(np.exp(best)),
                float(c - b * b / (4 * a)),
                float(a),
                len(rows),
                bool(x.min() <= best <= x.max()),
            )
        )
    return found


def approach_2(table: RunTable) -> SizeLaw | None:
    """Optimal size from isoFLOP parabolas; None with fewer than two levels whose optimum lies among their sizes."""
    inside = [p for p in parabolas(table) if p.inside]
    bias = "a parabola is symmetric in log N and the loss is not: the exponent drifts when levels are not centred on their optimum"
    return _line(2, np.array([p.flops for p in inside]), np.array([p.best_params for p in inside]), bias)


def approach_1(table: RunTable, bins: int = 40) -> SizeLaw | None:
    """Optimal size from the runs (or points along runs) of least loss for their compute; None with fewer than two such points."""
    log_c, loss = np.log(table["flops"]), table["loss"]
    edges = np.linspace(log_c.min(), log_c.max() + 1e-9, bins + 1)
    where = np.digitize(log_c, edges) - 1
    best = [rows[np.argmin(loss[rows])] for b in range(bins) if len(rows := np.flatnonzero(where == b)) >= 2]
    kept: list[int] = []
    for i in sorted(best, key=lambda row: log_c[row]):
        if not kept or loss[i] < loss[kept[-1]]:
            kept.append(int(i))
    bias = "the envelope takes the nearest size that was run, and runs cut before their schedule ends look worse than they are"
    return _line(1, table["flops"][kept], table["params"][kept], bias)


def _line(approach: int, flops: Floats, params: Floats, bias: str) -> SizeLaw | None:
    if len(flops) < 2 or np.ptp(np.log(flops)) < 0.2:
        return None
    x, y = np.log(flops), np.log(params)
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - slope * x - intercept
    error = float(np.sqrt(np.sum(rest**2) / max(len(x) - 2, 1) / np.sum((x - x.mean()) ** 2))) if len(x) > 2 else float("nan")
    return SizeLaw(approach, float(slope), float(intercept), len(x), error, bias)
