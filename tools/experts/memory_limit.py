"""An MoE under a memory limit: weights and KV cache of all experts must fit."""

from __future__ import annotations

from typing import Any

from knowledge.library import LawBook
from tools._law_values import arithmetic, table
from tools.experts.request import LAW, Draft, MoeRequest
from tools.law import evaluate
from tools.result import Notice

_BUDGETS = (1e21, 1e22, 1e23, 1e24)
_KV_TOKENS = 16384.0  # the setting of Ludziejewski et al. 2025, table 2


def for_memory(request: MoeRequest, memory: float, laws: LawBook, draft: Draft) -> None:
    """A memory limit: best expert count and size for the budget, or over several where none is stated."""
    width = (request.weight_bits or 16.0) / 8
    if request.weight_bits is None:
        draft.assume("weight_bits", 16, "bf16 weights, the setting of Ludziejewski et al. 2025", "bits")
    draft.assume(
        "kv_cache_tokens",
        _KV_TOKENS,
        "as in table 2 of Ludziejewski et al. 2025; the cache is held at the same width as the weights",
        "tokens",
    )
    budgets = [request.compute_flops] if request.compute_flops else list(_BUDGETS)
    inputs: dict[str, Any] = {
        "memory": memory,
        "kv_tokens": _KV_TOKENS,
        "bytes_per_value": width,
        "D_inf": request.inference_tokens or 0.0,
    }
    cases = [evaluate(laws.get(LAW), "memory_optimum", {"F": C, **inputs}).values for C in budgets]
    draft.lead(
        params_total_limit=arithmetic(
            memory / width,
            "parameters that fit with no cache at all",
            "params",
            "params_total",
            "memory / bytes per weight",
        )
    )
    if request.compute_flops:
        best = cases[0]
        draft.lead(n_experts=best["E"], params_active=best["N_act"], params_total=best["N_total"], tokens=best["D"])
    else:
        for C, case in zip(budgets, cases, strict=True):
            draft.lead(
                **{
                    f"n_experts_at_{C:.0e}".replace("+", ""): case["E"].model_copy(
                        update={"label": f"experts per layer for a training budget of {C:.0e} FLOP".replace("+", "")}
                    )
                }
            )
        draft.warnings.append(
            Notice(
                level="info",
                text="The best number of experts depends on the training compute: a larger "
                "budget fills the memory with active parameters instead.",
                source=LAW,
            )
        )
    columns = {
        "compute_flops": ("training compute", "FLOP"),
        "n_experts": ("experts", ""),
        "params_active": ("active", "params"),
        "params_total": ("total", "params"),
        "tokens": ("tokens", "tokens"),
        "loss": ("loss", "nats/token"),
    }
    draft.tables.append(
        table(
            "by_budget",
            "Best model in the memory by training compute",
            columns,
            [[C, *(case[k].number for k in ("E", "N_act", "N_total", "D", "L"))] for C, case in zip(budgets, cases, strict=True)],
        )
    )
    draft.reasons.append(
        "For each expert count the active size fills the memory or stops at its optimum; the "
        "count of least loss wins. Neighbouring counts differ little."
    )
