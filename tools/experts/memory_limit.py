"""An MoE under a memory limit: weights and KV cache of all experts must fit."""

from __future__ import annotations

from math import isfinite

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools._draft import Draft
from tools._law_values import arithmetic, table
from tools.experts.request import LAW, MoeRequest
from tools.law import evaluate
from tools.result import Notice, Table, Value

_BUDGETS = (1e21, 1e22, 1e23, 1e24)
_KV_TOKENS = 16384.0  # the setting of Ludziejewski et al. 2025, table 2


def for_memory(request: MoeRequest, memory: float, laws: LawBook, draft: Draft) -> None:
    """A memory limit: best expert count and size for the budget, or over several where none is stated."""
    width = (request.weight_bits or 16.0) / 8
    if request.weight_bits is None:
        draft.assume("weight_bits", 16, "bf16 weights, the setting of Ludziejewski et al. 2025", "bits")
    cache = "as in table 2 of Ludziejewski et al. 2025; the cache is held at the same width as the weights"
    draft.assume("kv_cache_tokens", _KV_TOKENS, cache, "tokens")
    inputs = {"memory": memory, "kv_tokens": _KV_TOKENS, "bytes_per_value": width, "D_inf": request.inference_tokens or 0.0}
    budgets = [request.compute_flops] if request.compute_flops else list(_BUDGETS)
    cases = [evaluate(laws.get(LAW), "memory_optimum", {"F": C, **inputs}).values for C in budgets]
    if not all(isfinite(case["L"].number) for case in cases):
        problem = f"no model of the law's layout fits {memory:.3g} bytes and the budget"
        raise InputError("memory_bytes", problem, "give more memory, fewer bits, or a budget that also pays for the inference")
    label = "parameters that fit with no cache at all"
    draft.lead(params_total_limit=arithmetic(memory / width, label, "params", "params_total", "memory / bytes per weight"))
    if request.compute_flops:
        best = cases[0]
        draft.lead(n_experts=best["E"], params_active=best["N_act"], params_total=best["N_total"], tokens=best["D"])
    else:
        _by_budget(cases, draft)
    draft.tables.append(_table(budgets, cases))
    draft.reasons.append(
        "For each expert count the active size fills the memory or stops at its optimum; the "
        "count of least loss wins. Neighbouring counts differ little."
    )


def _by_budget(cases: list[dict[str, Value]], draft: Draft) -> None:
    """Expert counts at several budgets, where the question states none."""
    for C, case in zip(_BUDGETS, cases, strict=True):
        budget = f"{C:.0e}".replace("+", "")
        value = case["E"].model_copy(update={"label": f"experts per layer for a training budget of {budget} FLOP"})
        draft.lead(**{f"n_experts_at_{budget}": value})
    text = "The best number of experts depends on the training compute: a larger budget fills the memory with active parameters instead."
    draft.warnings.append(Notice(level="info", text=text, source=LAW))


def _table(budgets: list[float], cases: list[dict[str, Value]]) -> Table:
    columns = {
        "compute_flops": ("training compute", "FLOP"),
        "n_experts": ("experts", ""),
        "params_active": ("active", "params"),
        "params_total": ("total", "params"),
        "tokens": ("tokens", "tokens"),
        "loss": ("loss", "nats/token"),
    }
    rows = [[C, *(case[key].number for key in ("E", "N_act", "N_total", "D", "L"))] for C, case in zip(budgets, cases, strict=True)]
    return table("by_budget", "Best model in the memory by training compute", columns, rows)
