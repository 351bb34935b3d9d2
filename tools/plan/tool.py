"""`plan`: size, tokens, epochs, weight bits, QAT share, accelerators, days and dollars decided together."""

from __future__ import annotations

from collections.abc import Callable
from math import exp

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools.budget import BudgetFields, budget_of
from tools.convert import in_words
from tools.forms import get_form
from tools.other_laws import allocation_alternatives
from tools.plan import report
from tools.plan.bits import PENALTY_LAWS, SHARE_LAW
from tools.plan.evaluate import Branch, Model
from tools.plan.options import option
from tools.plan.problem import PlanRequest, Problem, resolve
from tools.plan.serving import serving_for
from tools.plan.settle import Corrections, run_estimate, settle, settle_roughly
from tools.plan.solve import Point, binding_limits, flat_region, relaxations, size_of, sizes_of
from tools.plan.uncertainty import Spread, spread
from tools.registry import tool
from tools.result import Alternative, Column, Notice, Number, Result, Table, Value
from tools.surface import cite, surface
from tools.systems.mfu import corrected_by, source_of
from tools.systems.profile import profile_from
from tools.systems.runs import run_interval

NEEDS = (
    ("compute_flops",),
    ("budget_usd",),
    ("accelerator_hours",),
    ("n_accelerators", "duration_seconds"),
    ("params_total", "tokens"),
    ("target_loss",),
)
FLAT_TOLERANCE = 0.005
# column -> (unit, label); the order is the order of the answer's table
HEADLINE = (
    "params_total",
    "params_active",
    "tokens",
    "tokens_per_param",
    "epochs",
    "loss",
    "weight_bits",
    "qat_fraction",
    "duration_seconds",
    "accelerator_hours",
    "train_usd",
    "serving_usd",
    "budget_usd",
    "price_per_million_tokens_usd",
)
_FORMULAS = {
    "loss": "L(N, D) of the law + loss added by the width",
    "compute_flops": "C = 6 N D",
    "accelerator_hours": "C / (peak x MFU x 3600)",
    "duration_seconds": "accelerator-hours x 3600 / accelerators",
    "train_usd": "accelerator-hours x price",
    "qat_fraction": "exp(-a / ln S), S = 8 D/(N bits)",
    "budget_usd": "training + serving",
    "weight_bytes": "N bits / 8",
}


@tool(task="allocate", name="plan", title="A joint plan", needs=NEEDS)
def plan(request: PlanRequest, laws: LawBook) -> Result:
    """The joint optimum of a plan problem with its uncertainty, its neighbours and what binds it.

    Raises InputError for bad values. An infeasible problem gives a result with `feasible` false that names the least relaxations.
    """
    law = surface(laws, request.law)
    if law.loss_unit != "nats/token":
        raise InputError(
            "law",
            f"{law.card.id} gives its loss in {law.loss_unit}; a joint plan adds losses in nats/token",
            "use besiroglu2024 or hoffmann2022",
        )
    model = Model(law, laws, resolve(request), profile_from(request.profile) if request.profile else None)
    branches = branches_of(model)
    best, branches, corrections = settle(model, branches)
    if best is None:
        return _infeasible(model, branches)
    around = spread(model, best, request.draws, request.seed) if request.draws else Spread({}, {}, {}, 0)
    found = _result(request, model, branches, best, around, corrections)
    return found.model_copy(update={"warnings": [*_conflicts(request), *found.warnings]})


def _conflicts(request: PlanRequest) -> list[Notice]:
    """A stated compute that the stated hardware, hours or money cannot deliver; the plan follows the tighter of them."""
    if request.compute_flops is None or isinstance(request.accelerator, list) or isinstance(request.n_accelerators, list):
        return []
    stated = request.model_dump(include=set(BudgetFields.model_fields), exclude_none=True)
    budget = budget_of(BudgetFields.model_validate(stated))
    return [notice for notice in budget.notices if notice.level == "conflict"]


def branches_of(model: Model) -> list[Branch]:
    """Every discrete choice of a problem: accelerator, count and width. A free count is decided by the deadline alone."""
    problem = model.problem
    needs_serving = (
        problem.served > 0 or problem.limits.price_per_million_tokens_usd is not None or problem.limits.latency_ms_per_token is not None
    )
    return [
        Branch(item, bits, serving_for(item, bits, problem.limits.latency_ms_per_token, experts) if needs_serving else None, experts)
        for name in problem.accelerators
        for count in _counts(problem)
        for experts in problem.experts
        for item in [option(name, count, problem.price, problem.mfu, experts, model.profile)]
        for bits in problem.bits
    ]


def _counts(problem: Problem) -> tuple[int | None, ...]:
    free = len(problem.counts) > 1
    if free and problem.limits.duration_seconds is None and problem.objective != "fastest":
        return (None,)
    return problem.counts


def _value(name: str, point: Point, model: Model, around: Spread) -> Value:
    unit, label = report.COLUMNS[name]
    low, high = around.bounds.get(name, (None, None))
    from_law = name in ("params_total", "params_active", "tokens", "tokens_per_param", "loss", "epochs")
    card = model.loss_law
    return Value(
        value=point.columns[name],
        unit=unit,
        label=label,
        law=card.id if from_law else SHARE_LAW if name == "qat_fraction" else "",
        formula=_FORMULAS.get(name, "joint optimum of the plan problem"),
        low=low,
        high=high,
        level=0.9 if low is not None else None,
        interval_basis=f"{around.draws} joint draws of coefficients, MFU and price" if low is not None else "",
        inputs={"params_total": point.columns["params_total"], "tokens": point.columns["tokens"], "weight_bits": point.branch.bits},
        source=cite(card) if from_law else "",
        outside=report.extrapolated(model, point) if from_law else [],
    )


def _values(point: Point, model: Model, around: Spread) -> dict[str, Value]:
    values = {
        name: _value(name, point, model, around)
        for name in report.COLUMNS
        if name in point.columns and (name != "qat_fraction" or point.branch.bits < 8)
    }
    values["weight_bits"] = Value(
        value=point.branch.bits, unit="bits", label="weight bits as deployed", law=PENALTY_LAWS.get(point.branch.bits, "")
    )
    values["accelerator"] = Value(value=point.branch.option.part.id, label="accelerator")
    if model.routed:
        values["n_experts"] = Value(value=point.branch.experts, unit="experts", label="experts, one used per token", law=model.loss_law.id)
    if point.branch.option.count is not None:
        values["n_accelerators"] = Value(value=point.branch.option.count, label="accelerators")
    values["mfu"] = _mfu(model, point)
    if "serving_usd" not in values:
        del values["budget_usd"]
    for name, chance in around.chances.items():
        label = f"chance that {report.LIMITS.get(name, name)} is kept"
        values[f"{name}_kept"] = Value(
            value=chance, label=label, formula="share of the joint draws", interval_basis=f"{around.draws} draws"
        )
    flat = flat_region(model, point, FLAT_TOLERANCE)
    if flat is not None:
        values["params_range"] = Value(
            value=list(flat),
            unit="params",
            label=f"sizes within {FLAT_TOLERANCE:.1%} of the optimum",
            formula="objective at most (1 + tolerance) x its least",
        )
    return values


def _mfu(model: Model, point: Point) -> Value:
    option = point.branch.option
    centre, run = float(option.mfu(size_of(point))), run_estimate(model, point)
    if option.stated_mfu is not None:
        return Value(value=centre, label="MFU", source="the question")
    low, high = (run.low, run.high) if run else (centre / exp(run_interval()[1]), min(centre / exp(run_interval()[0]), 1.0))
    basis = "published runs left out of the calibration"
    return Value(value=centre, label="MFU", low=low, high=high, level=0.9, interval_basis=basis, source=source_of(model.profile))


def _result(request: PlanRequest, model: Model, branches: list[Branch], best: Point, around: Spread, corrections: Corrections) -> Result:
    headline = [name for name in HEADLINE if name in best.columns or name == "weight_bits"]
    headline = [name for name in headline if name != "qat_fraction" or best.branch.bits < 8]
    headline = [name for name in headline if name != "budget_usd" or "serving_usd" in best.columns]
    outcome = _runner(model, corrections)
    others = allocation_alternatives(model.laws, model.loss_law.id, best.columns["compute_flops"])
    return Result(
        tool="plan",
        task="allocate",
        headline=headline,
        values=_values(best, model, around),
        tables=[
            *([report.change_table(request, best, outcome)] if request.around else []),
            *report.expert_table(model, branches),
            *report.width_table(model, branches),
            *report.shape_table(model, best),
            *report.dominance_table(around, others),
            *(report.curves(model, best) if request.around else []),
        ],
        alternatives=[*_for_its_life(request, model, best), *others],
        assumptions=report.assumptions(request, model, best),
        warnings=[*report.unspent(request, model, best), *report.notices(model, best, around)],
        reasons=_reasons(model, best),
    )


def _for_its_life(request: PlanRequest, model: Model, best: Point) -> list[Alternative]:
    """Where compute and demand are stated but no money joins them: the least training plus serving compute at the plan's loss."""
    if request.compute_flops is None or not request.inference_tokens or request.budget_usd is not None or not model.surface.is_chinchilla:
        return []
    loss = float(model.surface.loss(best.columns["params_total"], best.columns["tokens"]))
    found = get_form("inference_optimum").fn(loss, request.inference_tokens, **model.surface.chinchilla())
    kinds = (("params_total", "N", "params"), ("tokens", "D", "tokens"), ("tokens_per_param", "tokens_per_param", "tokens/param"))
    values = {
        key: Value(value=float(found[name]), unit=unit, law=model.loss_law.id, formula="min 6 N D + 2 N D_inf at the loss")
        for key, name, unit in kinds
    }
    spent = in_words(float(found["train_flops"]))
    return [Alternative(name="least compute over its life", values=values, note=f"the same loss, serving counted; trains on {spent} FLOP")]


def _runner(base: Model, corrections: Corrections) -> Callable[[PlanRequest], Point | None]:
    """Solve an altered request, its options at the speeds this plan found for them; None where it has no plan."""

    def run(request: PlanRequest) -> Point | None:
        model = Model(surface(base.laws, request.law), base.laws, resolve(request), base.profile)
        return settle_roughly(model, branches_of(model), corrections)

    return run


def _reasons(model: Model, best: Point) -> list[str]:
    names = {
        "lowest_loss": "the lowest loss",
        "lowest_cost": "the lowest cost at the target loss",
        "fastest": "the shortest time at the target loss",
    }
    binding = binding_limits(best, model)
    lines = [
        f"Chosen for {names[model.problem.objective]}"
        + (f"; what binds is {', '.join(report.LIMITS.get(name, name) for name in binding)}." if binding else "; no limit binds.")
    ]
    if model.profile is not None and best.branch.option.stated_mfu is None:
        lines.append(corrected_by(model.profile))
    if not model.routed and best.branch.option.stated_mfu is None and model.problem.params is None:
        size, alone = best.columns["params_total"], float(model.surface.best_params(best.columns["compute_flops"]))
        if size > 1.1 * alone:
            lines.append("Larger models use these devices better, which moves the best size above that of the law alone.")
        elif size < alone / 1.1:
            lines.append("The limits or the price of running it move the best size below that of the law alone.")
    return lines


def _infeasible(model: Model, branches: list[Branch]) -> Result:
    found = relaxations(model, branches)
    too_large = [branch for branch in branches if branch.option.largest < float(sizes_of(model).min())]
    rows: list[list[Number]] = [[report.LIMITS.get(item.limit, item.limit), item.bound, item.needed, item.factor] for item in found]
    columns = [Column(name="limit"), Column(name="stated"), Column(name="needed"), Column(name="factor")]
    text = (
        "No plan keeps every limit. Loosening any one of these, the others kept, makes one possible."
        if found
        else "No plan keeps every limit, and loosening a single one does not help."
    )
    if len(too_large) == len(branches):
        text = _too_large(model, too_large)
    return Result(
        tool="plan",
        task="allocate",
        headline=[],
        values={},
        feasible=False,
        warnings=[Notice(level="conflict", text=text)],
        tables=[Table(name="relaxations", title="The least each limit must move", columns=columns, rows=rows)] if rows else [],
    )


def _too_large(model: Model, branches: list[Branch]) -> str:
    """That the model cannot be trained on any offered cluster, the most that each trains, and the fewest devices that would do."""
    size, best = float(sizes_of(model).min()), max(branches, key=lambda branch: branch.option.largest)
    item = best.option
    count = item.count or 1
    while count < 131072 and option(item.part.id, count, model.problem.price, None, item.experts).largest < size:
        count *= 2
    most = f"at most about {item.largest:.2g} params train on {item.count} x {item.part.id}" if item.largest else "none does on fewer"
    return f"{size:.3g} params cannot be trained on the accelerators given: {most}; {count} x {item.part.id} would do."
