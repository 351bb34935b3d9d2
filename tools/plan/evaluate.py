"""Vectorised evaluation of candidates: for sizes at one option and width, what training and serving them costs and yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.library import LawBook
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.convert import HOUR
from tools.forms._solve import bisect
from tools.plan.bits import added_loss, qat_share
from tools.plan.options import Option
from tools.plan.problem import Limits, Problem
from tools.surface import Coefficients, Surface, repetition_scales

Columns = dict[str, Any]


@dataclass(frozen=True)
class Serving:
    """What serving costs over params, at one width on one option: functions of N."""

    usd_per_million_tokens: Callable[[Any], Any]
    latency_ms_per_token: Callable[[Any], Any]


@dataclass(frozen=True)
class Branch:
    """One discrete choice of a plan: hardware option and weight bits."""

    option: Option
    bits: float
    serving: Serving | None


@dataclass(frozen=True)
class Draw:
    """Uncertain factors of one evaluation: coefficients of the law, and factors on MFU and price (1 is the centre)."""

    coefficients: Coefficients | None = None
    mfu: Any = 1.0
    price: Any = 1.0


CENTRE = Draw()


@dataclass(frozen=True)
class Model:
    """Everything that turns candidates into columns: the law's surface, the base, the problem."""

    surface: Surface
    laws: LawBook
    problem: Problem

    def usd_per_flop(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Dollars of one training FLOP."""
        return branch.option.price.number * draw.price / (branch.option.peak * branch.option.mfu(N) * draw.mfu * HOUR)

    def serving_usd(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Dollars of serving the stated lifetime demand."""
        if not self.problem.served or branch.serving is None:
            return 0.0 * np.asarray(N, float)
        return self.problem.served / 1e6 * branch.serving.usd_per_million_tokens(N) * draw.price

    def loss(self, N: Any, D: Any, bits: float, draw: Draw = CENTRE) -> Any:
        """Loss of the deployed model: the surface at the worth of the tokens, plus what the width adds."""
        unique = self.problem.unique_tokens
        scales = repetition_scales(self.laws) if unique else None
        return self.surface.repeated_loss(N, D, unique, scales, draw.coefficients) + added_loss(self.laws, N, D, bits)

    def tokens(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Most tokens every limit leaves for a size; or the tokens that are fixed, or that reach the target loss."""
        problem = self.problem
        if problem.tokens is not None:
            return problem.tokens + 0.0 * np.asarray(N, float)
        if problem.tokens_per_param is not None:
            return problem.tokens_per_param * np.asarray(N, float)
        if problem.objective != "lowest_loss" and problem.limits.target_loss is not None:
            return self._tokens_for_loss(N, branch.bits, problem.limits.target_loss, draw)
        flops = np.full(np.broadcast(np.asarray(N, float), np.asarray(draw.mfu), np.asarray(draw.price)).shape, np.inf)
        for bound in self._flops_limits(branch, N, draw):
            flops = np.fmin(flops, bound)
        return np.maximum(flops, 0.0) / (K * np.asarray(N, float))

    def _flops_limits(self, branch: Branch, N: Any, draw: Draw) -> list[Any]:
        limits, found = self.problem.limits, []
        per_hour = branch.option.peak * branch.option.mfu(N) * draw.mfu * HOUR
        if limits.compute_flops is not None:
            found.append(limits.compute_flops)
        if limits.accelerator_hours is not None:
            found.append(limits.accelerator_hours * per_hour)
        if limits.duration_seconds is not None and branch.option.count is not None:
            found.append(limits.duration_seconds / HOUR * branch.option.count * per_hour)
        if limits.budget_usd is not None:
            left = limits.budget_usd - self.serving_usd(branch, N, draw)
            found.append(left / self.usd_per_flop(branch, N, draw))
        return found

    def _tokens_for_loss(self, N: Any, bits: float, target: float, draw: Draw) -> Any:
        """Least tokens that bring a size to a loss; infinite where none do. Bisection in log tokens: width and repetition bend the surface."""
        N = np.asarray(N, float)
        low, high = np.log(np.full(N.shape, 1e6)), np.log(np.full(N.shape, 1e17))
        log_tokens = bisect(lambda x: target - self.loss(N, np.exp(x), bits, draw), low, high)
        reached = self.loss(N, np.exp(log_tokens), bits, draw) <= target * (1 + 1e-9)
        return np.where(reached, np.exp(log_tokens), np.inf)

    def columns(self, branch: Branch, N: Any, draw: Draw = CENTRE, D: Any = None) -> Columns:
        """Everything a plan reports of sizes N on one branch, as arrays. Training tokens follow from the limits unless given."""
        N = np.asarray(N, float)
        D = self.tokens(branch, N, draw) if D is None else D
        flops = K * N * D
        hours = branch.option.hours(flops, N) / draw.mfu
        train = hours * branch.option.price.number * draw.price
        served = self.serving_usd(branch, N, draw)
        found: Columns = {
            "params_total": N, "tokens": D, "tokens_per_param": D / N, "compute_flops": flops, "loss": self.loss(N, D, branch.bits, draw),
            "accelerator_hours": hours, "train_usd": train, "budget_usd": train + served, "weight_bytes": N * branch.bits / 8,
            "memory_bytes": N * branch.bits / 8 * 1.1, "qat_fraction": qat_share(self.laws, N, np.maximum(D, 1.0), branch.bits)}
        if self.problem.served:
            found["serving_usd"] = served
        if branch.option.count is not None:
            found["duration_seconds"] = hours * HOUR / branch.option.count
        if self.problem.unique_tokens:
            found["epochs"] = np.maximum(D / self.problem.unique_tokens, 1.0)
        if branch.serving is not None:
            found["price_per_million_tokens_usd"] = branch.serving.usd_per_million_tokens(N) * draw.price
            found["latency_ms_per_token"] = branch.serving.latency_ms_per_token(N)
        return found


_SLACK = 1e-6  # relative: a budget spent to the last FLOP is not overspent


def violations(columns: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """By how much each stated limit is exceeded, as a ratio; at most 1 means kept. A column that is absent cannot exceed."""
    found: dict[str, Any] = {}
    for name, bound in limits.stated().items():
        column = "loss" if name == "target_loss" else name
        if column in columns:
            found[name] = np.asarray(columns[column], float) / bound
    return found


def feasible(columns: Mapping[str, Any], limits: Limits) -> Any:
    """Which candidates keep every limit and have tokens and loss that are finite."""
    kept = np.isfinite(columns["loss"]) & np.isfinite(columns["tokens"]) & (np.asarray(columns["tokens"]) >= 1.0)
    for ratio in violations(columns, limits).values():
        kept &= np.nan_to_num(ratio, nan=np.inf) <= 1 + _SLACK
    return kept


def objective_of(columns: Mapping[str, Any], problem: Problem) -> Any:
    """What is minimised, as an array."""
    if problem.objective == "lowest_loss":
        return columns["loss"]
    return columns["budget_usd"] if problem.objective == "lowest_cost" else columns["duration_seconds"]

