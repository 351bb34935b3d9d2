"""The plan problem: what to minimise, what may vary, and the limits every candidate must respect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, field_validator

from knowledge.errors import InputError
from tools.budget import DEFAULT_ACCELERATOR
from tools.registry import ToolRequest

Objective = Literal["lowest_loss", "lowest_cost", "fastest"]
TRAINING_BITS = 16.0
EXPERTS = (1, 2, 4, 8, 16, 32)  # the range of the joint dense and MoE law (Ludziejewski et al. 2025)
BITS = (16.0, 8.0, 4.0, 3.0, 2.0)


class PlanRequest(ToolRequest):
    """A joint planning problem. Fields and units are the brief's; a list offers several values to choose among."""

    objective: Objective | None = Field(default=None, description="lowest_loss, or lowest_cost where only a target loss is stated")
    compute_flops: float | None = Field(default=None, gt=0)
    budget_usd: float | None = Field(default=None, gt=0, description="pays for training, and for serving where inference_tokens are stated")
    accelerator_hours: float | None = Field(default=None, gt=0)
    accelerator: str | list[str] | None = None
    n_accelerators: int | list[int] | None = None
    duration_seconds: float | None = Field(default=None, gt=0)
    price_per_accelerator_hour_usd: float | None = Field(default=None, gt=0)
    mfu: float | None = Field(default=None, gt=0, le=1)
    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0)
    target_loss: float | None = Field(default=None, gt=0)
    inference_tokens: float | None = Field(default=None, gt=0)
    price_per_million_tokens_usd: float | None = Field(default=None, gt=0)
    latency_ms_per_token: float | None = Field(default=None, gt=0)
    memory_bytes: float | None = Field(default=None, gt=0, description="memory the deployed weights must fit in")
    weight_bits: float | list[float] | None = None
    architecture: str | None = Field(default=None, description="`moe` makes the number of experts a choice")
    n_experts: int | list[int] | None = None
    models: list[str] | None = Field(default=None, description="a family of known shapes to choose among")
    law: str | None = None
    profile: dict[str, Any] | None = Field(default=None, description="profile of the user's cluster, as `flopwise calibrate` writes it")
    around: bool = Field(default=True, description="whether to add what nearby choices would give, and curves; sliders do without")
    draws: int = Field(default=1000, ge=0, le=20000)
    seed: int = 0

    @field_validator("weight_bits", "n_accelerators", "n_experts")
    @classmethod
    def _positive(cls, value: object) -> object:
        for item in value if isinstance(value, list) else [value]:
            if item is not None and not item > 0:  # pyright: ignore[reportOperatorIssue]
                raise ValueError("must be greater than 0")
        return value


@dataclass(frozen=True)
class Limits:
    """Upper bounds by name, in the units of the brief; None is no bound."""

    compute_flops: float | None = None
    budget_usd: float | None = None
    accelerator_hours: float | None = None
    duration_seconds: float | None = None
    price_per_million_tokens_usd: float | None = None
    latency_ms_per_token: float | None = None
    memory_bytes: float | None = None
    target_loss: float | None = None

    def stated(self) -> dict[str, float]:
        """The bounds that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Problem:
    """A request resolved into numbers: what is fixed, what is bounded, what may vary."""

    objective: Objective
    limits: Limits
    bits: tuple[float, ...]
    accelerators: tuple[str, ...]
    counts: tuple[int, ...]
    served: float
    params: float | None = None
    tokens: float | None = None
    tokens_per_param: float | None = None
    unique_tokens: float | None = None
    mfu: float | None = None
    price: float | None = None
    experts: tuple[int, ...] = (1,)
    sizes: dict[str, float] = field(default_factory=dict)


DEFAULT_COUNTS = tuple(2**k for k in range(15))


def resolve(request: PlanRequest) -> Problem:
    """The problem of a request. Raises InputError when nothing bounds it or the objective lacks what it needs."""
    limits = Limits(**{name: getattr(request, name) for name in vars(Limits())})
    counts = _as_tuple(request.n_accelerators)
    budgets = [limits.compute_flops, limits.budget_usd, limits.accelerator_hours]
    bounded = any(item is not None for item in budgets) or (limits.duration_seconds is not None and bool(counts))
    fixed = request.params_total is not None and (request.tokens is not None or request.tokens_per_param is not None)
    objective: Objective = request.objective or ("lowest_cost" if limits.target_loss is not None and not bounded else "lowest_loss")
    if objective == "lowest_loss" and not bounded and not fixed:
        raise InputError(
            "compute_flops", "nothing bounds the plan", "give FLOPs, dollars, accelerator-hours, or accelerators and a duration"
        )
    if objective != "lowest_loss" and request.target_loss is None and not fixed:
        raise InputError(
            "target_loss", f"the objective {objective} needs the loss to reach", "give target_loss, or params_total and tokens"
        )
    from knowledge.shapes import model

    sizes = {name: model(name).params_total for name in request.models or ()}
    return Problem(
        objective=objective,
        limits=limits,
        bits=_as_tuple(request.weight_bits) or _free_bits(limits),
        accelerators=_as_tuple(request.accelerator) or (DEFAULT_ACCELERATOR,),
        counts=counts or DEFAULT_COUNTS,
        served=request.inference_tokens or 0.0,
        params=request.params_total,
        tokens=request.tokens,
        tokens_per_param=request.tokens_per_param,
        unique_tokens=request.unique_tokens,
        mfu=request.mfu,
        price=request.price_per_accelerator_hour_usd,
        experts=_experts(request),
        sizes={name: size for name, size in sizes.items() if size},
    )


def _experts(request: PlanRequest) -> tuple[int, ...]:
    """Expert counts to choose among: the stated ones, every one of the joint law for an open mixture, else dense alone."""
    if request.n_experts is not None:
        return _as_tuple(request.n_experts)
    return EXPERTS if request.architecture == "moe" else (1,)


def _free_bits(limits: Limits) -> tuple[float, ...]:
    """Bits are a choice only where fewer of them buy something: a serving price, a latency, a memory, a dollar budget with demand."""
    serving = (limits.price_per_million_tokens_usd, limits.latency_ms_per_token, limits.memory_bytes)
    return BITS if any(item is not None for item in serving) else (TRAINING_BITS,)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return () if value is None else tuple(value) if isinstance(value, list) else (value,)
