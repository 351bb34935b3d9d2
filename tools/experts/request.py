"""What the MoE tool is asked, and what its parts share."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import InputError
from tools._draft import Draft
from tools.registry import ToolRequest

LAW = "ludziejewski2025_joint_moe"
LEVERAGE_LAW, GRANULAR_LAW, ROUTED_LAW, SPARSE_LAW = "tian2025_leverage", "krajewski2024_moe", "clark2022_routed", "abnar2025_moe_sparsity"
NEEDS = (("compute_flops",), ("params_active",), ("params_total", "n_experts"), ("memory_bytes",))
EXPANSIONS = (1, 2, 4, 8, 16, 32)  # expert counts the joint law was fitted on


class MoeRequest(ToolRequest):
    """A budget, a size, an expert layout or a memory limit; fields and units of the brief."""

    compute_flops: float | None = Field(default=None, gt=0)
    params_total: float | None = Field(default=None, gt=0)
    params_active: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    n_experts: float | None = Field(default=None, ge=1)
    experts_per_token: float | None = Field(default=None, ge=1)
    n_shared_experts: float | None = Field(default=None, ge=0)
    activation_ratio: float | None = Field(default=None, gt=0, le=1, description="(active + shared)/(all + shared) experts")
    granularity: float | None = Field(default=None, gt=0, description="2 d_model / d_expert, as Tian et al. 2025 count it")
    memory_bytes: float | None = Field(default=None, gt=0)
    weight_bits: float | None = Field(default=None, gt=0)
    inference_tokens: float | None = Field(default=None, ge=0)
    law: str | None = None


def promote(law: str | None, draft: Draft) -> None:
    """A law asked for by name leads with its own numbers, where it has any."""
    own = next((alternative.values for alternative in draft.alternatives if alternative.name == law), None)
    if law == LEVERAGE_LAW and "efficiency_leverage" in draft.values:
        own = {"efficiency_leverage": draft.values["efficiency_leverage"], **(own or {})}
    if own:
        draft.values = {**draft.values, **own}
        draft.headline = [*own, *(key for key in draft.headline if key not in own)]


def refuse_contradictions(request: MoeRequest) -> None:
    """Raise InputError where a part is stated to be larger than its whole."""
    if request.params_active and request.params_total and request.params_active > request.params_total:
        raise InputError(
            "params_active",
            f"{request.params_active:.3g} active params exceed the {request.params_total:.3g} in all",
            "active is the part used per token",
        )
    if request.n_experts and request.experts_per_token and request.experts_per_token > request.n_experts:
        raise InputError(
            "experts_per_token",
            f"{request.experts_per_token:g} of {request.n_experts:g} experts cannot be active",
            "give at most n_experts",
        )


def expansion(request: MoeRequest, draft: Draft) -> float | None:
    """The law's expert count: its experts are as wide as a dense layer with one active, so k of E stand for E/k."""
    if request.n_experts is None:
        return None
    k = request.experts_per_token
    if k is None:
        draft.assume("experts_per_token", 1, "one active expert, the setting of Ludziejewski et al. 2025")
    elif k > 1:
        draft.assume(
            "expansion",
            request.n_experts / k,
            f"{k:g} of {request.n_experts:g} experts stand for 1 of {request.n_experts / k:g} in the law, whose experts are one at a time",
        )
    return request.n_experts / (k or 1)
