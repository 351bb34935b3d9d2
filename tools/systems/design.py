"""A real transformer for a size: layers, width and heads near what published models of that size use."""

from __future__ import annotations

import math
from typing import Any

from knowledge.errors import InputError
from knowledge.shapes import ModelShape

# Width over depth of published dense models (GPT-3 table 2.1, LLaMA table 2, Llama 3 table 3): 128 from 3e9 parameters on, 64 at 1e8.
_ASPECT, _ASPECT_SMALL, _SMALL, _EXPONENT = 128.0, 64.0, 1.25e8, 0.22


def design_widths(params: float) -> tuple[float, float]:
    """(layers, hidden) of a plain transformer of 12 L d^2 parameters, hidden a multiple of 128 (64 for small models)."""
    aspect = min(_ASPECT, _ASPECT_SMALL * max(1.0, params / _SMALL) ** _EXPONENT)
    layers = max(2.0, round((params / (12.0 * aspect * aspect)) ** (1 / 3)))
    hidden = math.sqrt(params / (12.0 * layers))
    # heads of 128 in multiples of 8 let 8-way tensor parallelism divide them
    step = 1024.0 if hidden > 6000 else 512.0 if hidden > 3000 else 256.0 if hidden > 1400 else 64.0
    return layers, max(step, step * round(hidden / step))


def design_shape(
    params_total: float,
    *,
    params_active: float | None = None,
    vocab: int | None = None,
    n_experts: int | None = None,
    experts_per_token: int | None = None,
) -> ModelShape:
    """A gated, grouped-query decoder of about `params_total` parameters: head size 128, 8 key-value heads, a routed MLP when
    the active count is smaller.

    The MLP's width absorbs what rounding depth and width leaves, so that the count lands within about 1%.
    """
    if not 1e6 <= params_total <= 1e14:
        raise InputError("params_total", f"no transformer of {params_total:.3g} parameters can be designed", "give between 1e6 and 1e14")
    routed = n_experts is not None or (params_active is not None and params_active < 0.8 * params_total)
    base = params_active if routed and params_active else params_total / (4.0 if routed else 1.0)
    words = vocab or (32_000 if base < 5e8 else 128_256 if base >= 6e9 else 50_304)
    tied = base < 2e9
    tables = (1 if tied else 2) * words
    layers, hidden = design_widths(max(base - tables * math.sqrt(base) / 20.0, base / 2.0))
    dim = 128 if hidden >= 1024 else 64
    heads = max(1, int(hidden // dim))
    kv_heads = next(k for k in (8, 4, 2, 1) if heads % k == 0 and k <= heads) if hidden >= 2048 else heads
    attention = hidden * dim * (2 * heads + 2 * kv_heads)
    left = (base - tables * hidden) / layers - attention - 2 * hidden
    if left < hidden * hidden:  # small model, large vocabulary: keep a real MLP
        left = 8.0 * hidden * hidden
    step = 256 if hidden >= 2048 else 64
    ffn = int(max(step, step * round(left / (3 * hidden) / step)))
    fields: dict[str, Any] = {
        "layers": int(layers),
        "hidden": int(hidden),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": dim,
        "ffn_hidden": ffn,
        "vocab": words,
        "tied_embeddings": tied,
        "name": f"designed {params_total:.3g}",
    }
    if routed:
        fields |= _routed(params_total, fields, left, n_experts, experts_per_token)
    return ModelShape(**fields)


_EXPERT_COUNTS = (8, 16, 32, 64, 96, 128, 160, 192, 256, 384, 512)  # divide over the usual expert-parallel groups


def _routed(total: float, fields: dict[str, Any], mlp: float, n_experts: int | None, chosen: int | None) -> dict[str, Any]:
    """Expert count and width: the total fixes experts x width, the active MLP the share of experts chosen, which should be whole."""
    hidden, layers = fields["hidden"], fields["layers"]
    tables = (1 if fields["tied_embeddings"] else 2) * fields["vocab"] * hidden
    attention = hidden * fields["head_dim"] * (2 * fields["heads"] + 2 * fields["kv_heads"])
    room = max((total - tables) / layers - attention, mlp)
    count = n_experts or min(
        _EXPERT_COUNTS, key=lambda n: (_rounding(n * mlp / room) > 0.04, _rounding(n * mlp / room) if n * mlp / room < 1 else 0, n)
    )
    width = int(max(64, 64 * round(room / (3 * hidden * count) / 64)))
    return {
        "experts_per_token": chosen or max(1, min(count, round(count * mlp / room))),
        "expert_ffn_hidden": width,
        "n_experts": count,
        "ffn_hidden": 0,
    }


def _rounding(share: float) -> float:
    """Relative change when a number of chosen experts is rounded to a whole one."""
    return abs(max(1, round(share)) / share - 1.0)
