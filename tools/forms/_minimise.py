"""Minimisation over arrays, for forms whose optimum has no closed solution: many problems at once, no loop over points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def minimise_log(f: Callable[[Any], Any], low: Any, high: Any, points: int = 65, rounds: int = 9) -> Any:
    """Argument of the least f between low and high (positive, broadcast): a grid in the logarithm, zoomed in `rounds` times.

    `f` takes and returns arrays with one more, leading axis. NaN counts as no minimum.
    """
    low, high = np.broadcast_arrays(np.log(np.asarray(low, float)), np.log(np.asarray(high, float)))
    share = np.linspace(0.0, 1.0, points).reshape(-1, *([1] * low.ndim))
    for _ in range(rounds):
        grid = low + share * (high - low)
        values = np.asarray(f(np.exp(grid)), float)
        best = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0)
        step = (high - low) / (points - 1)
        centre = np.take_along_axis(grid, best[None, ...], axis=0)[0]
        low, high = np.maximum(low, centre - step), np.minimum(high, centre + step)
    return np.exp(0.5 * (low + high))
