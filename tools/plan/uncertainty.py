"""Uncertainty through the whole plan: coefficients, MFU and price are drawn together; which of them matters most is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.law import INTERVAL_LEVEL
from tools.plan.evaluate import Draw, Model, violations
from tools.plan.solve import Point, at_draws, binding_limits, size_of

FACTORS = ("law coefficients", "MFU", "price")
_WATCHED = ("loss", "duration_seconds", "train_usd", "serving_usd", "budget_usd", "price_per_million_tokens_usd", "accelerator_hours")


@dataclass(frozen=True)
class Spread:
    """Central intervals by column, the share of each column's log variance that each factor alone makes, and the chance that each limit is kept."""

    bounds: dict[str, tuple[float, float]]
    shares: dict[str, dict[str, float]]
    chances: dict[str, float]
    draws: int


def sample(model: Model, point: Point, n: int, seed: int) -> dict[str, Draw]:
    """Joint draws ('all') and one-factor draws under each factor's name; the same seed gives the same numbers."""
    rng = np.random.default_rng(seed)
    option = point.branch.option
    mfu = np.minimum(
        np.exp(rng.normal(0.0, option.mfu_log_spread(), n)), option.highest_mfu(size_of(point)) / float(option.mfu(size_of(point)))
    )
    price = np.exp(rng.normal(0.0, option.price_log_spread(), n))
    coefficients, available = None, model.surface.draws
    if available:
        rows = rng.integers(0, len(next(iter(available.values()))), n)
        coefficients = {name: values[rows] for name, values in available.items()}
    return {
        "all": Draw(coefficients, mfu, price),
        "law coefficients": Draw(coefficients, np.ones(n), np.ones(n)),
        "MFU": Draw(None, mfu, np.ones(n)),
        "price": Draw(None, np.ones(n), price),
    }


def spread(model: Model, point: Point, n: int, seed: int) -> Spread:
    """Intervals of the plan's outcomes with its size and tokens kept, and what dominates each."""
    samples = {name: at_draws(model, point, draw) for name, draw in sample(model, point, n, seed).items()}
    tail = (1 - INTERVAL_LEVEL) / 2
    bounds: dict[str, tuple[float, float]] = {}
    shares: dict[str, dict[str, float]] = {}
    for column in _WATCHED:
        if column not in samples["all"]:
            continue
        values = np.asarray(samples["all"][column], float)
        if values.ndim and np.isfinite(values).all() and np.ptp(values) > 1e-12 * abs(values.mean()):
            low, high = np.quantile(values, [tail, 1 - tail])
            bounds[column] = min(float(low), point.columns[column]), max(float(high), point.columns[column])
            shares[column] = _shares({name: samples[name][column] for name in FACTORS})
    capped = {"memory_bytes", "price_per_million_tokens_usd", "latency_ms_per_token"} & set(binding_limits(point, model))
    if model.problem.objective == "lowest_loss" and model.problem.params is None and not model.problem.sizes and not capped:
        bounds |= _optimum_bounds(model, point, sample(model, point, min(n, 300), seed)["all"], tail)
    return Spread(bounds, shares, _chances(model, samples["all"]), n)


def _optimum_bounds(model: Model, point: Point, draw: Draw, tail: float) -> dict[str, tuple[float, float]]:
    """Intervals of the best size and its tokens: the optimum re-found under every draw, limits on size aside."""

    def loss(N: Any) -> Any:
        return model.loss(point.branch, N, np.maximum(model.tokens(point.branch, N, draw), 1.0), draw)

    span = np.ones(np.shape(draw.mfu))
    size = minimise_log(loss, size_of(point) / 30 * span, size_of(point) * 30 * span, points=33, rounds=6)
    found: dict[str, tuple[float, float]] = {}
    for name, values in (("params_active" if model.routed else "params_total", size), ("tokens", model.tokens(point.branch, size, draw))):
        low, high = np.quantile(values, [tail, 1 - tail])
        found[name] = min(float(low), point.columns[name]), max(float(high), point.columns[name])
    return found


def _chances(model: Model, columns: Mapping[str, Any]) -> dict[str, float]:
    """Share of the draws in which each limit that can move is kept."""
    kept = {name: np.asarray(ratio) <= 1 + 1e-6 for name, ratio in violations(columns, model.problem.limits).items()}
    return {name: float(share.mean()) for name, share in kept.items() if share.ndim and not share.all()}


def _shares(by_factor: Mapping[str, object]) -> dict[str, float]:
    """First-order shares: variance of the log with one factor drawn, over the sum of such variances."""
    variances = {name: float(np.var(np.log(np.asarray(values, float)))) for name, values in by_factor.items()}
    total = sum(variances.values())
    return {name: value / total for name, value in variances.items() if total > 0}


def dominant(shares: Mapping[str, float]) -> str:
    """The factor with the largest share."""
    return max(shares, key=lambda name: shares[name])


# What measuring a factor takes, and what it leaves: the spread of a profile of one's own cluster, of a quoted price, of an own fit.
MEASUREMENTS: dict[str, str] = {
    "choice of law": "fit a law to runs of your own (flopwise design chooses them, flopwise fit fits them)",
    "law coefficients": "fit a law to runs of your own (flopwise design chooses them, flopwise fit fits them)",
    "MFU": "measure a few step times on your cluster and pass them to flopwise calibrate",
    "price": "state the price you pay per accelerator-hour",
}
