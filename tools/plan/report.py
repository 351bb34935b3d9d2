"""Tables, assumptions and notices of a plan: what would change it, widths compared, real shapes nearby, what dominates its uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from knowledge.errors import InputError
from tools.budget import assumed_accelerator
from tools.curves import frontier, valley
from tools.law import far_outside, region_flags
from tools.plan.bits import PENALTY_LAWS, SHARE_LAW
from tools.plan.evaluate import Branch, Model
from tools.plan.neighbours import changes, near_shapes
from tools.plan.problem import PlanRequest
from tools.plan.solve import Point, binding_limits, size_of, solve
from tools.plan.uncertainty import MEASUREMENTS, Spread, dominant
from tools.result import Alternative, Assumption, Column, Notice, Number, Table
from tools.surface import DEFAULT_LAW, REPETITION_LAW, assumed_law
from tools.systems.serving_case import WEIGHTS_ONLY, how_served, precision_for

# Unit and label of each column of a plan.
COLUMNS: dict[str, tuple[str, str]] = {
    "params_total": ("params", "params"),
    "params_active": ("params", "active params"),
    "tokens": ("tokens", "tokens"),
    "tokens_per_param": ("tokens/param", "tokens per param"),
    "epochs": ("", "epochs over the unique tokens"),
    "loss": ("nats/token", "expected loss as deployed"),
    "compute_flops": ("FLOP", "training compute"),
    "qat_fraction": ("", "share of tokens in QAT"),
    "accelerator_hours": ("h", "accelerator-hours"),
    "duration_seconds": ("s", "training time"),
    "train_usd": ("USD", "training cost"),
    "serving_usd": ("USD", "serving cost over the demand"),
    "budget_usd": ("USD", "total cost"),
    "price_per_million_tokens_usd": ("USD", "serving price per million tokens"),
    "latency_ms_per_token": ("ms/token", "latency"),
    "weight_bytes": ("bytes", "weights as deployed"),
}
# Limits of a plan in words.
LIMITS: dict[str, str] = {
    "compute_flops": "the compute",
    "budget_usd": "the budget",
    "accelerator_hours": "the accelerator-hours",
    "duration_seconds": "the deadline",
    "price_per_million_tokens_usd": "the price per million tokens",
    "latency_ms_per_token": "the time per token",
    "memory_bytes": "the memory of the deployment",
    "target_loss": "the target loss",
}
_SURE = 0.9  # a limit kept with less than this chance is a warning
_SHOWN = (
    ("params_total", "params", "params"),
    ("tokens", "tokens", "tokens"),
    ("loss", "loss", "nats/token"),
    ("train_usd", "training cost", "USD"),
)


def _row(name: str, point: Point | None) -> list[Number]:
    if point is None:
        return [name, *([None] * len(_SHOWN)), None, "no plan keeps every limit"]
    return [name, *(point.columns[key] for key, _, _ in _SHOWN), point.branch.bits, ""]


def _columns(first: str) -> list[Column]:
    return [
        Column(name=first),
        *(Column(name=key, label=label, unit=unit) for key, label, unit in _SHOWN),
        Column(name="weight_bits", label="weights", unit="bits"),
        Column(name="note"),
    ]


def change_table(request: PlanRequest, best: Point, run: Callable[[PlanRequest], Point | None]) -> Table:
    """What would change the plan: one altered statement a row."""
    part = best.branch.option.part.id
    rows = [_row("this plan", best)]
    other_part = "b200" if part != "b200" else "h100-sxm"
    other_law = "hoffmann2022" if request.law != "hoffmann2022" else DEFAULT_LAW
    for change in changes(request, other_part, other_law):
        try:
            rows.append(_row(change.name, run(change.request)))
        except InputError as error:
            rows.append([change.name, *([None] * len(_SHOWN)), None, str(error)])
    return Table(
        name="changes",
        title="What would change it",
        columns=_columns("with"),
        rows=rows,
        note="Losses of two laws are on different corpora: compare sizes and tokens across laws, not losses.",
    )


def width_table(model: Model, branches: list[Branch]) -> list[Table]:
    """The best plan at each width, where widths are a choice; the law that prices each is named."""
    widths = sorted({branch.bits for branch in branches}, reverse=True)
    if len(widths) < 2:
        return []
    rows: list[list[Number]] = []
    for bits in widths:
        point = solve(model, [branch for branch in branches if branch.bits == bits], refine=False)
        *shown, _, note = _row(f"{bits:g} bits", point)
        served = point.columns.get("price_per_million_tokens_usd") if point else None
        rows.append(
            [
                *shown,
                point.columns["qat_fraction"] if point and bits < 8 else None,
                served,
                note or _width_note(bits, point),
            ]
        )
    *titles, _, last = _columns("weights at")
    columns = [
        *titles,
        Column(name="qat_fraction", label="QAT share"),
        Column(name="price_per_million_tokens_usd", label="per million tokens", unit="USD"),
        last,
    ]
    return [
        Table(
            name="widths",
            title="Weight bits compared",
            columns=columns,
            rows=rows,
            note="The laws behind the widths were fitted on different models and data; their composition with this loss surface is ours, no paper tested it."
            + (f" {WEIGHTS_ONLY}" if any("weights only" in str(row[-1]) for row in rows) else ""),
        )
    ]


def _width_note(bits: float, point: Point | None) -> str:
    added = f"loss added by {PENALTY_LAWS[bits]}" if bits in PENALTY_LAWS else "no loss added"
    served = point is not None and point.branch.serving is not None
    return f"{added}; {how_served(precision_for(bits, point.branch.option.part))}" if point is not None and served else added


def expert_table(model: Model, branches: list[Branch]) -> list[Table]:
    """The best plan at each number of experts, where that is a choice: dense or sparse."""
    if len(model.problem.experts) < 2:
        return []
    rows = [
        _row("dense" if experts == 1 else f"{experts} experts", solve(model, [b for b in branches if b.experts == experts], refine=False))
        for experts in model.problem.experts
    ]
    return [
        Table(
            name="experts",
            title="Dense or mixture of experts",
            columns=_columns("architecture"),
            rows=rows,
            note="One law prices them all (Ludziejewski et al.), at equal training compute; routing costs of real systems come on top.",
        )
    ]


def shape_table(model: Model, best: Point) -> list[Table]:
    """Known dense models near the optimum, with the loss this budget gives at their size."""
    if model.problem.params is not None or model.problem.sizes or model.routed:
        return []
    rows: list[list[Number]] = []
    for name, size, shape in near_shapes(best.columns["params_total"]):
        columns = model.columns(best.branch, [size])
        rows.append([name, size, float(columns["tokens"][0]), float(columns["loss"][0]), shape.layers, shape.hidden])
    titles = [
        Column(name="model"),
        Column(name="params_total", label="params", unit="params"),
        Column(name="tokens", label="tokens", unit="tokens"),
        Column(name="loss", label="loss", unit="nats/token"),
        Column(name="layers"),
        Column(name="hidden"),
    ]
    return [Table(name="shapes", title="Real shapes near the optimum, trained on this budget", columns=titles, rows=rows)] if rows else []


def dominance_table(around: Spread, others: list[Alternative]) -> list[Table]:
    """Which factor makes most of each outcome's spread, and what measuring it is worth: with its share v of the log variance gone, an
    interval keeps (1 - v)^(1/2) of its width."""
    rows: list[list[Number]] = [
        _dominated(column, shares)
        for column, shares in around.shares.items()
        if shares and (column != "budget_usd" or "serving_usd" in around.shares)
    ]
    if "params_total" in around.bounds and (laws := _law_share(around.bounds["params_total"], others)) is not None:
        rows.insert(0, _dominated("params_total", laws))
    columns = [
        Column(name="outcome"),
        Column(name="dominated by"),
        Column(name="share of its variance"),
        Column(name="what would narrow it"),
        Column(name="interval narrower by at most"),
    ]
    return [Table(name="dominance", title="What dominates the uncertainty", columns=columns, rows=rows)] if rows else []


def _dominated(column: str, shares: Mapping[str, float]) -> list[Number]:
    factor = dominant(shares)
    gain = 1 - (1 - min(shares[factor], 1.0)) ** 0.5
    return [
        COLUMNS[column][1] if column in COLUMNS else column.replace("_", " "),
        factor,
        f"{shares[factor]:.0%}",
        MEASUREMENTS[factor],
        f"{gain:.0%}",
    ]


def _law_share(own: tuple[float, float], others: list[Alternative]) -> dict[str, float] | None:
    """Shares of the choice of law and of the law's own coefficients in the log variance of the best size; None with fewer than two other laws."""
    sizes = [item.values["params_total"].number for item in others if "params_total" in item.values]
    if len(sizes) < 2:
        return None
    choice, coefficients = float(np.var(np.log(sizes))), (float(np.log(own[1] / own[0])) / (2 * 1.6449)) ** 2
    return {"choice of law": choice / (choice + coefficients), "law coefficients": coefficients / (choice + coefficients)}


def curves(model: Model, best: Point) -> list[Table]:
    """The valley at the plan's compute and the frontier around it, where one dense law prices the plan."""
    if model.routed:
        return []
    C = best.columns["compute_flops"]
    return [valley(model.surface, C, float(model.surface.best_params(C))), frontier(model.surface, C)]


def assumptions(request: PlanRequest, model: Model, best: Point) -> list[Assumption]:
    """Every default the plan filled in."""
    option = best.branch.option
    made = [Assumption(field="compute convention", value="C = 6 N D", source="Kaplan et al. 2020, section 2.1; N counts all params")]
    if model.routed:
        made.append(
            Assumption(field="law", value=model.loss_law.id, source="the one law of the base fitted on dense and mixture models together")
        )
    elif request.law is None:
        made.append(assumed_law())
    if request.accelerator is None:
        made.append(assumed_accelerator(option.part))
    if option.stated_mfu is None:
        made.append(Assumption(field="mfu", value=float(option.mfu(size_of(best))), source="step-time model calibrated on measured runs"))
    made += option.price_assumptions
    if request.unique_tokens:
        made.append(
            Assumption(
                field="repetition",
                value=REPETITION_LAW,
                source=f"worth of repeated tokens from {REPETITION_LAW}, composed with {model.surface.card.id}: our composition, no paper tested it",
            )
        )
    if best.branch.bits < 8:
        made.append(
            Assumption(
                field="qat",
                value=SHARE_LAW,
                source="share of QAT by tokens per byte of weights; its loss law has no published constants, so the loss added comes from "
                + PENALTY_LAWS[best.branch.bits],
            )
        )
    return made


def _fitted_variables(best: Point) -> dict[str, float]:
    return {"N": best.columns["params_total"], "D": best.columns["tokens"], "C": best.columns["compute_flops"]}


def extrapolated(model: Model, best: Point) -> list[str]:
    """Which of size, tokens and compute lie outside the fit region of the plan's loss law."""
    names = {"N_act": size_of(best), "D": best.columns["tokens"], "E": best.branch.experts} if model.routed else _fitted_variables(best)
    return region_flags(model.loss_law, "loss", None if model.routed else model.surface.variant, names)


def unspent(request: PlanRequest, model: Model, best: Point) -> list[Notice]:
    """A stated compute that other limits do not let the plan spend, with both numbers."""
    spent = best.columns["compute_flops"]
    if request.compute_flops is None or model.problem.objective != "lowest_loss" or spent > 0.98 * request.compute_flops:
        return []
    keepers = [LIMITS.get(name, name) for name in binding_limits(best, model) if name != "compute_flops"]
    because = f": {' and '.join(keepers)} allows no more" if keepers else ""
    text = f"Of the stated {request.compute_flops:.3g} FLOP the plan spends {spent:.3g}{because} (at the MFU and price used here)."
    return [Notice(level="warning", text=text)]


def _doubt(name: str, chance: float) -> str:
    what = LIMITS.get(name, name)
    return (
        f"{what[0].upper()}{what[1:]} is kept with a chance of {chance:.0%} only: the best estimate keeps the limit, its interval does not."
        " The tables show what a tighter limit costs."
    )


def notices(model: Model, best: Point, around: Spread) -> list[Notice]:
    """Extrapolation, and what no measurement of the factors can narrow."""
    flags = extrapolated(model, best)
    found = [Notice(level="caution", source=model.loss_law.id, text="Extrapolated: " + "; ".join(flags) + ".")] if flags else []
    if not model.routed and (far := far_outside(model.loss_law, "loss", model.surface.variant, _fitted_variables(best))):
        found.append(Notice(level="warning", source=model.loss_law.id, text=far))
    found += [Notice(level="warning", text=_doubt(name, chance)) for name, chance in around.chances.items() if chance < _SURE]
    if around.bounds.get("tokens", (1.0, 1.0))[0] <= 1.0:
        text = "In some of the joint draws nothing is left for training: lower ends of zero mean that serving alone takes the whole budget."
        found.append(Notice(level="caution", text=text))
    if not around.bounds.get("loss") and around.draws:
        found.append(
            Notice(level="caution", text=f"{model.loss_law.id} publishes no joint spread of its coefficients: the loss has no interval.")
        )
    return found
