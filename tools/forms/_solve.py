"""Root finding over arrays: bisection of many points at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def bisect(rising: Callable[[Any], Any], low: Any, high: Any, steps: int = 80) -> Any:
    """Root of a function rising from below zero to above zero between low and high, each of which may be an array."""
    below, above = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    for _ in range(steps):
        middle = (below + above) / 2
        right = np.asarray(rising(middle)) < 0
        below, above = np.where(right, middle, below), np.where(right, above, middle)
    return (below + above) / 2
