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
from tools.forms import get_form
from tools.result import Assumption, Value
from tools.systems.mfu import best_matmul, typical, typical_mfu
from tools.systems.profile import Profile
from tools.systems.runs import run_interval

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
    experts: int = 1
    settled: float = (
        1.0  # MFU of the very run a plan chose over the curve's (tools/plan/settle.py); before, what a profile says of the usual run
    )

    @property
    def key(self) -> tuple[str, int | None, int]:
        """What the training speed depends on: part, count and experts."""
        return self.part.id, self.count, self.experts

    def mfu(self, N: Any) -> Any:
        """Expected MFU of a model of N (active) params on this option, 0..1."""
        if self.stated_mfu is not None:
            return self.stated_mfu + 0.0 * np.asarray(N, float)
        return self.settled * _speed(self.part.id, self.dtype, self.count, self.experts)[0](N)

    @property
    def largest(self) -> float:
        """Largest (active) params that train on the option's devices; unlimited where their number is open or the MFU is stated."""
        return (
            np.inf if self.count is None or self.stated_mfu is not None else _speed(self.part.id, self.dtype, self.count, self.experts)[1]
        )

    def mfu_log_spread(self) -> float:
        """Standard deviation of log MFU, from the 90% interval of whole runs; zero when MFU is stated."""
        if self.stated_mfu is not None:
            return 0.0
        low, high = run_interval()
        return (high - low) / (2 * 1.6449)

    def highest_mfu(self, N: float) -> float:
        """The most a run of N (active) params can reach: what a large matrix product alone does on the part, as a share of `peak`."""
        return max(float(self.mfu(N)), best_matmul(self.part, self.dtype) * self.part.peak("bf16") / self.peak)

    def hours(self, flops: Any, N: Any) -> Any:
        """Accelerator-hours of so many training FLOP."""
        return flops / (self.peak * self.mfu(N) * HOUR)

    def price_log_spread(self) -> float:
        """Standard deviation of the log price, from its range; zero when the price is stated."""
        if self.price.low is None or self.price.high is None:
            return 0.0
        return float(np.log(self.price.high / self.price.low) / (2 * 1.6449))


def mixture_params(active: Any, experts: int) -> Any:
    """Total params of a mixture by its active params, in the proportions of Ludziejewski et al. 2025."""
    return get_form("joint_moe_params").fn(active, experts, 50257)["N_total"]


def option(
    name: str, count: int | None, price: float | None, mfu: float | None, experts: int = 1, profile: Profile | None = None
) -> Option:
    """An option by accelerator name; raises InputError for an unknown one or one without a price."""
    part = accelerator(name)
    dtype, peak = training_peak(part)
    per_hour, assumed = price_per_hour(part, price)
    known = 1.0 if profile is None else typical_mfu(part.id, dtype, None, count, profile)[0] / typical_mfu(part.id, dtype, None, count)[0]
    return Option(part, count, peak, dtype, per_hour, tuple(assumed), mfu, experts, known)


@functools.lru_cache(256)
def _speed(part: str, dtype: str, count: int | None, experts: int) -> tuple[Callable[[Any], Any], float]:
    """MFU over (active) params, and the largest size a layout of which fits the devices."""

    def at(size: float) -> float | None:
        total = None if experts == 1 else min(float(mixture_params(size, experts)), 1e14)
        found = typical(part, dtype, size, count, total, experts)
        return found.mfu if found else None

    table = {float(size): share for size in _SIZES if (share := at(float(size))) is not None}
    if not table:
        return (lambda N: np.full(np.shape(N), typical_mfu(part, dtype)[0])), 0.0
    largest = max(table)
    above = [float(size) for size in _SIZES if size > largest]
    if above:
        low, high = largest, above[0]
        for _ in range(6):
            middle = (low * high) ** 0.5
            share = at(middle)
            if share is None:
                high = middle
            else:
                low, largest, table[middle] = middle, middle, share
    sizes = np.array(sorted(table))
    return _curve(sizes, np.array([table[size] for size in sizes])), largest if above else np.inf


_KEPT = 4096  # sizes of an answer that is remembered


def _remembering(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of sizes that keeps its last answer: the columns of one candidate set ask the same curve of the same array several times."""
    last: tuple[Any, Any] = (None, None)

    def at(N: Any) -> Any:
        nonlocal last
        of, found = last
        if of is N:
            return found
        found = fn(N)
        if isinstance(N, np.ndarray) and isinstance(found, np.ndarray) and 1 < N.size <= _KEPT:
            found.flags.writeable = False
            last = N, found
        return found

    return at


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

    return _remembering(at)


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

    return _remembering(interpolated)
