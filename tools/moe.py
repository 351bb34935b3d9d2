"""`moe`: dense or mixture of experts, how many experts, total and active size, and what they are worth over dense."""

from __future__ import annotations

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._draft import Draft
from tools._named_law import uses_laws
from tools.experts.budget import for_budget
from tools.experts.memory_limit import for_memory
from tools.experts.request import (
    GRANULAR_LAW,
    LAW,
    LEVERAGE_LAW,
    NEEDS,
    ROUTED_LAW,
    SPARSE_LAW,
    MoeRequest,
    promote,
    refuse_contradictions,
)
from tools.experts.worth import for_model
from tools.registry import tool
from tools.result import Notice, Result


@tool(task="moe", title="Dense or mixture of experts, and how many experts", needs=NEEDS)
@uses_laws(LAW, LEVERAGE_LAW, GRANULAR_LAW, ROUTED_LAW, SPARSE_LAW)
def moe(request: MoeRequest, laws: LawBook) -> Result:
    """Active and total size, expert count and advantage over dense by the joint law (Ludziejewski et al. 2025), others beside it.

    Raises InputError where active params or experts exceed their totals, MissingInput where nothing bounds the question.
    """
    refuse_contradictions(request)
    draft = Draft()
    if request.memory_bytes is not None:
        for_memory(request, request.memory_bytes, laws, draft)
    elif request.params_active is not None and (request.tokens is not None or request.params_total is not None):
        for_model(request, laws, draft)
    elif request.compute_flops is not None:
        for_budget(request, request.compute_flops, laws, draft)
    elif request.params_active is not None or request.params_total is not None:
        for_model(request, laws, draft)
    else:
        raise MissingInput(NEEDS, "a mixture of experts")
    promote(request.law, draft)
    draft.warnings.append(
        Notice(
            level="caution",
            text="Equal loss is not equal memory or speed: an MoE holds all its experts in memory, and benchmarks with forced balance "
            "run 8 to 20% faster than real routing.",
        )
    )
    return draft.result("moe")
