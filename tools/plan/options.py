"""Hardware options of a plan: one accelerator type and count, its training speed and its serving price over model size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.hardware import Accelerator, accelerator
from tools.budget import price_per_hour, training_peak
from tools.convert import HOUR
from tools.result import Assumption, Value
from tools.systems.mfu import typical_mfu

_SIZES = np.geomspace(1e7, 1e13, 13)  # sizes at which speed and price are computed; between them a smooth curve in logs


@dataclass(frozen=True)
class Option:
    """One accelerator type at one count: dollars, speed and power to serve, as functions of params."""

    part: Accelerator
    count: int | None
    peak: float
    dtype: str
    price: Value
    price_assumptions: tuple[Assumption, ...]
    stated_mfu: float | None

    def mfu(self, N: Any) -> Any:
        """Expected MFU of a dense model of N params on this option, 0..1."""
        if self.stated_mfu is not None:
            return self.stated_mfu + 0.0 * np.asarray(N, float)
        return _mfu_curve(self.part.id, self.dtype, self.count)(N)

    def mfu_log_spread(self) -> float:
        """Standard deviation of log MFU, from its 90% interval at a typical size; zero when MFU is stated."""
        if self.stated_mfu is not None:
            return 0.0
        _, low, high = _mfu_table(self.part.id, self.dtype, self.count)
        return float(np.log(np.median(high / low)) / (2 * 1.6449))

    def hours(self, flops: Any, N: Any) -> Any:
        """Accelerator-hours of so many training FLOP."""
        return flops / (self.peak * self.mfu(N) * HOUR)

    def price_log_spread(self) -> float:
        """Standard deviation of the log price, from its range; zero when the price is stated."""
        if self.price.low is None or self.price.high is None:
            return 0.0
        return float(np.log(self.price.high / self.price.low) / (2 * 1.6449))


def option(name: str, count: int | None, price: float | None, mfu: float | None) -> Option:
    """An option by accelerator name; raises InputError for an unknown one or one without a price."""
    part = accelerator(name)
    dtype, peak = training_peak(part)
    per_hour, assumed = price_per_hour(part, price)
    return Option(part, count, peak, dtype, per_hour, tuple(assumed), mfu)


@functools.lru_cache(256)
def _mfu_table(part: str, dtype: str, count: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([typical_mfu(part, dtype, float(size), count)[:3] for size in _SIZES])
    return rows[:, 0], rows[:, 1], rows[:, 2]


@functools.lru_cache(256)
def _mfu_curve(part: str, dtype: str, count: int | None) -> Callable[[Any], Any]:
    return _curve(_SIZES, _mfu_table(part, dtype, count)[0])


def mfu_source(part: str, dtype: str) -> str:
    """Where the MFU of an option comes from."""
    return typical_mfu(part, dtype, None)[3]


def _curve(sizes: np.ndarray, values: np.ndarray) -> Callable[[Any], Any]:
    """Cubic Hermite interpolation in logs: straight lines between knots would make every optimum sit on a knot."""
    knots, heights = np.log(sizes), np.log(values)
    if len(knots) == 1:
        return lambda N: np.full(np.shape(N), values[0])
    slopes, last = np.gradient(heights, knots), len(knots) - 2

    def at(N: Any) -> Any:
        x = np.minimum(np.maximum(np.log(np.asarray(N, float)), knots[0]), knots[-1])
        i = np.minimum(np.searchsorted(knots, x, side="right") - 1, last)
        width = knots[i + 1] - knots[i]
        t = (x - knots[i]) / width
        u, rise = 1 - t, heights[i + 1] * t * t * (3 - 2 * t)
        return np.exp(heights[i] * (1 + 2 * t) * u * u + width * t * u * (slopes[i] * u - slopes[i + 1] * t) + rise)

    return at


def over_sizes(fn: Callable[[float], float]) -> Callable[[Any], Any]:
    """A costly function of params, computed at a few sizes and interpolated in logs; infinite where it is infinite."""
    table = np.array([fn(float(size)) for size in _SIZES])
    finite = np.isfinite(table)
    if not finite.any():
        return lambda N: np.full(np.shape(N), np.inf)
    largest = float(_SIZES[finite][-1])
    curve = _curve(_SIZES[finite], table[finite])

    def interpolated(N: Any) -> Any:
        N = np.asarray(N, float)
        return np.where(largest * (1 + 1e-9) < N, np.inf, curve(N))

    return interpolated
