"""Vectorised evaluation of candidates: for sizes at one option and width, what training and serving them costs and yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.convert import HOUR
from tools.forms import get_form
from tools.forms._solve import bisect
from tools.law import compute
from tools.plan.bits import added_loss, qat_share
from tools.plan.options import Option, mixture_params
from tools.plan.problem import Limits, Problem
from tools.surface import Coefficients, Surface, repetition_scales
from tools.systems.profile import Profile

Columns = dict[str, Any]
MOE_LAW = "ludziejewski2025_joint_moe"
MEMORY_MARGIN = 1.1  # weights and a tenth for buffers and a short cache


@dataclass(frozen=True)
class Serving:
    """What serving costs over params, at one width on one option: functions of N."""

    usd_per_million_tokens: Callable[[Any], Any]
    latency_ms_per_token: Callable[[Any], Any]


@dataclass(frozen=True)
class Branch:
    """One discrete choice of a plan: hardware option, weight bits and number of experts."""

    option: Option
    bits: float
    serving: Serving | None
    experts: int = 1


@dataclass(frozen=True)
class Draw:
    """Uncertain factors of one evaluation: coefficients of the law, and factors on MFU and price (1 is the centre)."""

    coefficients: Coefficients | None = None
    mfu: Any = 1.0
    price: Any = 1.0


CENTRE = Draw()


@dataclass(frozen=True)
class Model:
    """Everything that turns candidates into columns: the law's surface, the base, the problem, the cluster's profile."""

    surface: Surface
    laws: LawBook
    problem: Problem
    profile: Profile | None = None
    reached: dict[tuple[float, int, bytes], Any] = field(
        default_factory=dict[tuple[float, int, bytes], Any], init=False, compare=False, repr=False
    )

    @property
    def routed(self) -> bool:
        """Whether experts are a choice: N then counts active params and every branch, dense included, is priced by the joint MoE law."""
        return self.problem.experts != (1,)

    @property
    def loss_law(self) -> LawCard:
        """The card the loss comes from."""
        return self.laws.get(MOE_LAW) if self.routed else self.surface.card

    def total_params(self, branch: Branch, N: Any) -> Any:
        """All params of a size: N itself, or with its experts (Ludziejewski et al. 2025)."""
        if branch.experts == 1:
            return np.asarray(N, float)
        return mixture_params(N, branch.experts)

    def usd_per_flop(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Dollars of one training FLOP."""
        return branch.option.price.number * draw.price / (branch.option.peak * branch.option.mfu(N) * draw.mfu * HOUR)

    def serving_usd(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Dollars of serving the stated lifetime demand."""
        if not self.problem.served or branch.serving is None:
            return 0.0 * np.asarray(N, float)
        return self.problem.served / 1e6 * branch.serving.usd_per_million_tokens(N) * draw.price

    def loss(self, branch: Branch, N: Any, D: Any, draw: Draw = CENTRE) -> Any:
        """Loss of the deployed model: the surface at the worth of the tokens, plus what the width adds."""
        unique = self.problem.unique_tokens
        scales = repetition_scales(self.laws) if unique else None
        D = np.maximum(D, 1.0)  # a budget that serving exhausts leaves no tokens; such a size is infeasible, not undefined
        added = added_loss(self.laws, N, D, branch.bits)
        if not self.routed:
            return self.surface.repeated_loss(N, D, unique, scales, draw.coefficients) + added
        worth = get_form("effective_tokens").fn(D, unique, Rd=scales[0])["D_eff"] if unique and scales else D
        return compute(self.laws.get(MOE_LAW), "loss", {"N_act": N, "D": worth, "E": branch.experts})["L"] + added

    def tokens(self, branch: Branch, N: Any, draw: Draw = CENTRE) -> Any:
        """Most tokens every limit leaves for a size; or the tokens that are fixed, or that reach the target loss."""
        problem = self.problem
        if problem.tokens is not None:
            return problem.tokens + 0.0 * np.asarray(N, float)
        if problem.tokens_per_param is not None:
            return problem.tokens_per_param * np.asarray(N, float)
        if problem.objective != "lowest_loss" and problem.limits.target_loss is not None:
            return self._tokens_for_loss(branch, N, problem.limits.target_loss, draw)
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

    def _tokens_for_loss(self, branch: Branch, N: Any, target: float, draw: Draw) -> Any:
        """Least tokens that bring a size to a loss; infinite where none do. Bisection in log tokens: width and repetition bend the surface."""
        N = np.asarray(N, float)
        key = (branch.bits, branch.experts, N.tobytes())  # hardware does not move the loss: options of one width share the answer
        if draw is CENTRE and key in self.reached:
            return self.reached[key]
        low, high = np.log(np.full(N.shape, 1e6)), np.log(np.full(N.shape, 1e17))
        log_tokens = bisect(lambda x: target - self.loss(branch, N, np.exp(x), draw), low, high)
        reached = self.loss(branch, N, np.exp(log_tokens), draw) <= target * (1 + 1e-9)
        tokens = np.where(reached, np.exp(log_tokens), np.inf)
        if draw is CENTRE:
            self.reached[key] = tokens
        return tokens

    def columns(self, branch: Branch, N: Any, draw: Draw = CENTRE, D: Any = None) -> Columns:
        """Everything a plan reports of sizes N on one branch, as arrays. Training tokens follow from the limits unless given."""
        N = np.asarray(N, float)
        D = self.tokens(branch, N, draw) if D is None else D
        flops = K * N * D
        hours = np.where(branch.option.largest < N, np.nan, branch.option.hours(flops, N) / draw.mfu)  # too large to train there
        train = hours * branch.option.price.number * draw.price
        served, total = self.serving_usd(branch, N, draw), self.total_params(branch, N)
        found: Columns = {
            "params_total": N,
            "tokens": D,
            "tokens_per_param": D / N,
            "compute_flops": flops,
            "loss": self.loss(branch, N, D, draw),
            "accelerator_hours": hours,
            "train_usd": train,
            "budget_usd": train + served,
            "weight_bytes": total * branch.bits / 8,
            "memory_bytes": total * branch.bits / 8 * MEMORY_MARGIN,
            "qat_fraction": qat_share(self.laws, N, np.maximum(D, 1.0), branch.bits),
        }
        if self.problem.served:
            found["serving_usd"] = served
        if self.routed:
            found |= {"params_active": N, "params_total": total}
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
    """Which candidates keep every limit, have tokens and loss that are finite, and train on their devices."""
    kept = np.isfinite(columns["loss"]) & np.isfinite(columns["tokens"]) & (np.asarray(columns["tokens"]) >= 1.0)
    kept &= np.isfinite(columns["accelerator_hours"])
    for ratio in violations(columns, limits).values():
        kept &= np.nan_to_num(ratio, nan=np.inf) <= 1 + _SLACK
    return kept


def objective_of(columns: Mapping[str, Any], problem: Problem) -> Any:
    """What is minimised, as an array."""
    if problem.objective == "lowest_loss":
        return columns["loss"]
    return columns["budget_usd"] if problem.objective == "lowest_cost" else columns["duration_seconds"]
