"""`sparsity`: the best weight sparsity for a budget, what a sparse model is worth, and when to prune."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools._named_law import uses_laws
from tools.convert import in_words
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Table, Value

LAW = "frantar2023_sparsity"
SCHEDULE_LAW = "jin2025_average_params"
NEEDS = (("params_total",), ("compute_flops", "params_total"), ("sparsity",))
_FITTED = (0.5, 0.75, 0.875)
_TWO_OF_FOUR = 0.5


class SparsityRequest(ToolRequest):
    """A size with a budget or tokens; fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    sparsity: float | None = Field(default=None, ge=0, lt=1)
    law: str | None = None


@tool(task="sparsity", title="Weight sparsity: how much, and what it is worth")
@uses_laws(LAW, SCHEDULE_LAW)
def sparsity(request: SparsityRequest, laws: LawBook) -> Result:
    """Optimal sparsity and dense-equivalent size (Frantar et al. 2023), pruning window (Jin et al. 2025).

    With a budget the size is the non-zero count, otherwise the dense parent. Raises MissingInput without a size.
    """
    if request.law == SCHEDULE_LAW or (request.params_total is None and request.compute_flops is not None):
        return _schedule(request, laws)
    if request.params_total is None and request.sparsity is not None:
        return _ratio(request.sparsity, laws)
    if request.params_total is None:
        raise MissingInput(NEEDS, "weight sparsity")
    if request.compute_flops is not None and request.sparsity is None:
        return _optimal(request.params_total, request.compute_flops, laws)
    return _worth(request, request.params_total, laws)


def _schedule(request: SparsityRequest, laws: LawBook) -> Result:
    C = request.compute_flops or 1.0
    window = evaluate(laws.get(SCHEDULE_LAW), "pruning_window", {"C": C}).values
    labels = {"start_fraction": "start pruning at this share of training compute", "end_fraction": "finish pruning at this share"}
    values = {key: window[key].model_copy(update={"label": label}) for key, label in labels.items()}
    if request.compute_flops is not None:
        values |= {"start_flops": window["start_flops"], "end_flops": window["end_flops"]}
    assumptions: list[Assumption] = []
    if request.params_total is not None:
        kept = 1 - (request.sparsity if request.sparsity is not None else _TWO_OF_FOUR)
        if request.sparsity is None:
            assumptions.append(Assumption(field="sparsity", value=_TWO_OF_FOUR, source="half the weights pruned, none stated"))
        average = evaluate(laws.get(SCHEDULE_LAW), "average_params", {"N_dense": request.params_total, "density": kept}).values
        values |= {"average_params": average["N_avg"], "final_params": average["N_final"]}
    return Result(
        tool="sparsity",
        task="sparsity",
        headline=["start_fraction", "end_fraction"],
        values=values,
        assumptions=assumptions,
        reasons=[
            "A model pruned during pre-training follows the dense law with its average "
            "parameter count; this window was best among the schedules tried."
        ],
    )


def _optimal(N: float, C: float, laws: LawBook) -> Result:
    found = evaluate(laws.get(LAW), "optimal_sparsity", {"N": N, "C": C}).values
    values = {
        "sparsity": found["S"],
        "dense_parent_params": found["N_dense_parent"],
        "tokens": found["D"].model_copy(update={"label": "tokens the budget pays for at the dense parent's cost"}),
    }
    warnings = [_hardware()]
    if found["S"].number > _FITTED[-1]:
        text = (
            f"The law puts the optimum beyond {_FITTED[-1]:g}, the sparsest model it was fitted on; "
            "read it as: at least that sparse, if hardware can use it."
        )
        warnings.insert(0, Notice(level="warning", source=LAW, text=text))
        values["compute_at_fitted_limit"] = _compute_at_fitted_limit(laws, N)
    worth = law_value(laws, LAW, "dense_equivalent", {"S": found["S"].number}, "multiplier")
    values["dense_equivalent_params"] = arithmetic(
        N * worth.number,
        "dense model of equal loss",
        "params",
        "params_total",
        worth.formula,
        worth.source,
        law=LAW,
        relation="dense_equivalent",
        inputs={"N": N, "S": found["S"].number},
        outside=worth.outside,
    )
    assumption = Assumption(
        field="params_nonzero", value=N, unit="params", source="the stated size of the sparse model is taken as its non-zero weights"
    )
    return Result(
        tool="sparsity",
        task="sparsity",
        headline=["sparsity", "dense_parent_params", "dense_equivalent_params", "tokens"],
        values=values,
        tables=[_table(laws, N, "non-zero")],
        assumptions=[assumption],
        warnings=warnings,
        reasons=["The law's sparsity of least loss for this non-zero count when training costs as much as the dense parent, fitted on T5."],
    )


def _compute_at_fitted_limit(laws: LawBook, N: float) -> Value:
    """The budget from which the sparsest model of the fit is optimal."""
    inputs = {"S": _FITTED[-1], "N": N}
    return arithmetic(
        float(law_numbers(laws, LAW, "compute_for_sparsity", inputs)["C"]),
        f"budget from which {_FITTED[-1]:g} is optimal",
        "FLOP",
        "flops",
        "S_opt(N, C) = S",
        law=LAW,
        relation="compute_for_sparsity",
        inputs=inputs,
    )


def _worth(request: SparsityRequest, N: float, laws: LawBook) -> Result:
    """A dense parent pruned to a sparsity (2:4 unless stated): what dense size that is worth."""
    S = request.sparsity if request.sparsity is not None else _TWO_OF_FOUR
    found = evaluate(laws.get(LAW), "dense_equivalent", {"S": S}).values
    share = found["dense_fraction"]
    values = {
        "dense_equivalent_params": arithmetic(
            N * share.number,
            "dense model of equal loss",
            "params",
            "params_total",
            "N (1-S) m(S)",
            share.source,
            law=LAW,
            relation="dense_equivalent",
            inputs={"N": N, "S": S},
            outside=share.outside,
        ),
        "params_nonzero": arithmetic(N * (1 - S), "non-zero weights", "params", "params_nonzero", "N (1 - S)"),
        "multiplier": found["multiplier"],
        "capacity_kept": share.model_copy(update={"label": "share of the dense model's size it is still worth"}),
    }
    assumptions = (
        []
        if request.sparsity is not None
        else [Assumption(field="sparsity", value=_TWO_OF_FOUR, source="2:4, the pattern that GPUs accelerate")]
    )
    assumptions.append(
        Assumption(field="dense_parent_params", value=N, unit="params", source="the stated size is taken as the dense model before pruning")
    )
    return Result(
        tool="sparsity",
        task="sparsity",
        headline=["dense_equivalent_params", "params_nonzero", "multiplier"],
        values=values,
        tables=[_table(laws, N, "dense parent")],
        assumptions=assumptions,
        warnings=[_hardware()],
        reasons=[
            "Worth it only if serving it costs less than a dense model of the equivalent size: 2:4 "
            "halves the stored weights and at best doubles matmul speed."
        ],
    )


def _ratio(S: float, laws: LawBook) -> Result:
    """What a sparsity is worth whatever the size: the dense model of equal loss over the non-zero weights, and over the dense parent."""
    found = evaluate(laws.get(LAW), "dense_equivalent", {"S": S}).values
    values = {
        "multiplier": found["multiplier"],
        "capacity_kept": found["dense_fraction"].model_copy(update={"label": "dense model of equal loss over the dense parent"}),
    }
    return Result(
        tool="sparsity",
        task="sparsity",
        headline=list(values),
        values=values,
        tables=[_table(laws, 1.0, "dense parent")],
        warnings=[_hardware()],
        reasons=["The law's dense equivalent is a multiple of the non-zero weights that depends on the sparsity alone."],
    )


def _hardware() -> Notice:
    return Notice(
        level="caution",
        source=LAW,
        text="Fitted on unstructured sparsity from scratch (T5 up to 85M non-zero weights), which "
        "rarely speeds up real hardware; n:m patterns gain less. "
        "Pruning a model that is already trained is far cheaper than training sparse from scratch.",
    )


def _table(laws: LawBook, N: float, kind: str) -> Table:
    S = np.array(_FITTED)
    worth = law_numbers(laws, LAW, "dense_equivalent", {"S": S})
    nonzero = np.full(S.shape, N) if kind == "non-zero" else N * (1 - S)
    rows = [
        [float(x) for x in row]
        for row in zip(S, nonzero, nonzero / (1 - S), worth["multiplier"], nonzero * worth["multiplier"], strict=True)
    ]
    columns = {
        "sparsity": ("sparsity", ""),
        "params_nonzero": ("non-zero", "params"),
        "dense_parent_params": ("dense parent", "params"),
        "multiplier": ("dense worth of a weight", ""),
        "dense_equivalent_params": ("equal to dense", "params"),
    }
    if N == 1:
        columns = {name: (label, "") for name, (label, _) in columns.items()}
        return table("by_sparsity", "What sparsity is worth, as shares of the dense parent", columns, rows)
    return table("by_sparsity", f"What sparsity is worth at {in_words(N, 'params')} {kind} weights", columns, rows)
