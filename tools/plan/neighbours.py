"""What would change a plan: the same problem with one thing different, and real shapes near the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from knowledge.shapes import ModelShape, models
from tools.plan.problem import PlanRequest

_BUDGETS = ("compute_flops", "budget_usd", "accelerator_hours")


@dataclass(frozen=True)
class Change:
    """One altered request and its name."""

    name: str
    request: PlanRequest


def changes(request: PlanRequest, other_accelerator: str, other_law: str) -> list[Change]:
    """Budget doubled and halved, unique tokens halved, demand doubled, another accelerator, another law: those that apply."""
    found: list[Change] = []
    stated = [name for name in _BUDGETS if getattr(request, name) is not None]
    if stated:
        found += [_scaled(request, stated, 2.0, "twice the budget"), _scaled(request, stated, 0.5, "half the budget")]
    elif request.duration_seconds is not None:
        found += [_scaled(request, ["duration_seconds"], 2.0, "twice the time")]
    for name, factor, words in (
        ("unique_tokens", 0.5, "half the unique tokens"),
        ("inference_tokens", 2.0, "twice the demand"),
        ("price_per_million_tokens_usd", 0.5, "half the serving price"),
    ):
        if getattr(request, name) is not None:
            found.append(_scaled(request, [name], factor, words))
    found.append(
        Change(
            f"on {other_accelerator}", request.model_copy(update={"accelerator": other_accelerator, "price_per_accelerator_hour_usd": None})
        )
    )
    if request.architecture != "moe" and request.n_experts is None:
        found.append(Change(f"by {other_law}", request.model_copy(update={"law": other_law})))
    return found


def _scaled(request: PlanRequest, names: list[str], factor: float, words: str) -> Change:
    return Change(words, request.model_copy(update={name: getattr(request, name) * factor for name in names}))


def near_shapes(params: float, within: float = 2.0, keep: int = 4) -> list[tuple[str, float, ModelShape]]:
    """Known dense models whose size is within a factor of the optimum, nearest first, with their size."""
    sized = [(name, float(shape.params_total), shape) for name, shape in models().items() if shape.params_total and not shape.n_experts]
    near = sorted(sized, key=lambda item: abs(log(item[1] / params)))
    return [item for item in near[:keep] if abs(log(item[1] / params)) <= log(within)]
