"""`allocate`: params and tokens for a budget, and how far a given choice is from the best one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools.budget import Budget, BudgetFields, budget_of
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.curves import frontier, valley
from tools.forms import get_form
from tools.law import far_outside
from tools.other_laws import allocation_alternatives, named_allocation
from tools.registry import tool
from tools.result import Assumption, Notice, Result, Table, Value
from tools.surface import REPETITION_LAW, Coefficients, Outcome, Surface, assumed_law, repetition_scales, surface

NEEDS = (
    ("compute_flops",),
    ("budget_usd",),
    ("accelerator_hours",),
    ("n_accelerators", "duration_seconds"),
    ("params_total",),
    ("tokens",),
    ("target_loss",),
)
_UNITS = {
    "N": ("params_total", "params", "params", "params_total"),
    "D": ("tokens", "tokens", "tokens", "tokens"),
    "r": ("tokens_per_param", "tokens/param", "tokens per param", "tokens_per_param"),
    "C": ("compute_flops", "FLOP", "training compute", "flops"),
    "L": ("loss", "nats/token", "expected loss", "nats_per_token"),
    "epochs": ("epochs", "", "epochs over the unique tokens", "epochs"),
    "total": ("lifetime_flops", "FLOP", "training and serving compute", "flops"),
    "excess": ("loss_above_optimum", "nats/token", "loss above the optimum", ""),
    "waste": ("compute_ratio_to_optimum", "", "compute against an optimal run of equal loss", "ratio"),
    "best_N": ("params_at_this_compute", "params", "compute-optimal params at this compute", ""),
    "best_D": ("tokens_at_this_compute", "tokens", "compute-optimal tokens at this compute", ""),
    "times_optimal": ("tokens_against_optimum", "", "tokens against the compute-optimal number", "ratio"),
}


_LEAST_FLOPS = 1e12  # a few thousand params for a few million tokens; the smallest runs of any published law
_JUDGED = ("times_optimal", "excess", "waste", "best_N", "best_D")  # of a stated choice, told beside it


class AllocateRequest(BudgetFields):
    """What to allocate and under which limits; fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0)
    target_loss: float | None = Field(default=None, gt=0)
    inference_tokens: float | None = Field(default=None, gt=0)
    law: str | None = None


@dataclass(frozen=True)
class Problem:
    """One way of asking: which numbers follow from which, as a function of the law's coefficients."""

    formula: str
    why: str
    solve: Callable[[Coefficients | None], Outcome]
    asks: tuple[str, ...] = ("N", "D", "r", "L", "C")


@tool(task="allocate", title="The best size and number of tokens", needs=NEEDS)
def allocate(request: AllocateRequest, laws: LawBook) -> Result:
    """Params and tokens of least loss for a budget in FLOPs, dollars, accelerator-hours or hardware x time.

    C = 6 N D (Kaplan et al. 2020, section 2.1) with the default law's surface (Besiroglu et al. 2024); lifetime demand by
    Sardana et al. 2024, limited unique tokens by Muennighoff et al. 2023. Raises MissingInput when nothing bounds the problem.
    """
    budget = budget_of(request)
    if request.law and (named := named_allocation(laws, request.law, request, budget)):
        return named
    law = surface(laws, request.law)
    problem = _problem(request, budget, law, laws)
    outcome, bounds = law.evaluate(problem.solve)
    return _result(request, budget, law, laws, problem, outcome, _widen(law, budget, outcome, bounds, request, laws))


def _problem(request: AllocateRequest, budget: Budget, law: Surface, laws: LawBook) -> Problem:
    """Which of the ways of asking this is; the most specific statement wins."""
    C = budget.flops.number if budget.flops else None
    if C is not None and C < _LEAST_FLOPS:
        raise InputError("compute_flops", f"{C:g} FLOP train no language model", f"give at least {_LEAST_FLOPS:g} FLOP; check the unit")
    N, D, ratio = request.params_total, request.tokens, request.tokens_per_param
    if N is not None and D is None and ratio is not None:
        D = N * ratio
    if N is not None and D is not None:
        return _judge(law, N, D)
    if C is not None:
        return _for_budget(request, law, laws, C, N, D, ratio)
    if request.target_loss is not None and (N is not None or D is not None):
        return _for_loss_at(law, request.target_loss, N, D)
    if request.target_loss is not None:
        return _for_loss(law, request.target_loss, request.inference_tokens)
    if N is not None or D is not None:
        return _for_fixed(law, N, D)
    raise MissingInput(NEEDS, "the best size and data")


def _complete(law: Surface, N: Any, D: Any, c: Coefficients | None, **more: Any) -> Outcome:
    return {"N": N, "D": D, "r": D / N, "C": K * N * D, "L": law.loss(N, D, c), **more}


def _for_budget(
    request: AllocateRequest, law: Surface, laws: LawBook, C: float, N: float | None, D: float | None, ratio: float | None
) -> Problem:
    unique = request.unique_tokens
    scales = repetition_scales(laws) if unique is not None else None

    def complete(n: Any, c: Coefficients | None) -> Outcome:
        d = C / (K * n)
        loss = law.repeated_loss(n, d, unique, scales, c)
        return {"N": n, "D": d, "r": d / n, "C": C + 0 * n, "L": loss} | ({"epochs": np.maximum(d / unique, 1.0)} if unique else {})

    asks = ("N", "D", "r", "L", "C", *(("epochs",) if unique else ()))
    if N is not None:
        return Problem("D = C/(6 N)", "The size is given; the budget sets the tokens.", lambda c: complete(N, c), asks)
    if D is not None:
        return Problem("N = C/(6 D)", "The tokens are given; the budget sets the size.", lambda c: complete(C / (K * D), c), asks)
    if ratio is not None:
        return Problem(
            "N = (C/(6 r))^(1/2), D = r N",
            "The tokens per param are given; the budget sets the rest.",
            lambda c: complete((C / (K * ratio)) ** 0.5, c),
            asks,
        )
    if request.inference_tokens is not None:
        return _for_lifetime(law, C, request.inference_tokens)
    why = (
        "The size minimises the law's loss at this compute, with repeated tokens worth less each epoch."
        if unique
        else "The size minimises the law's loss at this compute."
    )

    def best(c: Coefficients | None) -> Outcome:
        return complete(law.best_params(C, c, unique, scales), c)

    return Problem("minimise L(N, D) with C = 6 N D" + (", D worth its effective tokens" if unique else ""), why, best, asks)


def _for_lifetime(law: Surface, C: float, served: float) -> Problem:
    """Sardana's problem: the loss a compute-optimal model of C would have, at the least training plus serving compute."""

    def solve(c: Coefficients | None) -> Outcome:
        n0 = law.best_params(C, c)
        return _least_lifetime(law, law.loss(n0, C / (K * n0), c), served, c)

    return Problem(
        "minimise 6 N D + 2 N D_inference at the loss of the compute-optimal model of the budget",
        "Serving makes a smaller model, trained longer to the same loss, cheaper over its life (Sardana et al.).",
        solve,
        ("N", "D", "r", "L", "C", "total"),
    )


def _least_lifetime(law: Surface, loss: Any, served: float, c: Coefficients | None) -> Outcome:
    best = get_form("inference_optimum").fn(loss, served, **law.chinchilla(c))
    return _complete(law, best["N"], best["D"], c, total=best["total_flops"])


def _for_loss(law: Surface, loss: float, served: float | None) -> Problem:
    """Least compute (or least lifetime compute) that reaches a loss."""
    floor = law.chinchilla()["E"]
    if loss <= floor:
        raise InputError(
            "target_loss", f"{loss:g} is at or below the irreducible loss {floor:g} of {law.card.id}", "no compute reaches it; ask for more"
        )

    def solve(c: Coefficients | None) -> Outcome:
        best = get_form("chinchilla_compute_for_loss").fn(loss, **law.chinchilla(c))
        if served is not None:
            return _least_lifetime(law, loss, served, c)
        return _complete(law, best["N"], best["D"], c)

    return Problem(
        "minimise 6 N D with L(N, D) = target",
        "The least compute that reaches the loss.",
        solve,
        ("N", "D", "r", "C", "L", *(("total",) if served is not None else ())),
    )


def _for_loss_at(law: Surface, loss: float, N: float | None, D: float | None) -> Problem:
    """Tokens with which a stated size reaches a loss, or the size that reaches it on stated tokens."""
    form = get_form("chinchilla_tokens_for_loss" if N is not None else "chinchilla_params_for_loss").fn

    def solve(c: Coefficients | None) -> Outcome:
        found = form(loss, D if N is None else N, **law.chinchilla(c))
        return _complete(law, found if N is None else N, D if N is None else found, c)

    if not np.isfinite(float(solve(None)["C"])):
        floor = float(law.loss(N, np.inf) if N is not None else law.loss(np.inf, D))
        what, remedy = ("this size on endless tokens", "a larger model") if N is not None else ("a model of any size", "more tokens")
        raise InputError(
            "target_loss", f"{loss:g} is out of reach: by {law.card.id} {what} stays above {floor:.4g}", f"give {remedy} or a higher loss"
        )
    missing, given = ("tokens", "size") if N is not None else ("size", "number of tokens")
    return Problem("L(N, D) = target", f"The {missing} with which the stated {given} reaches the loss.", solve, ("N", "D", "r", "C", "L"))


def _for_fixed(law: Surface, N: float | None, D: float | None) -> Problem:
    """Tokens at which a size is compute-optimal, or the size for which tokens are."""

    def solve(c: Coefficients | None) -> Outcome:
        if not law.is_chinchilla:
            C = law.compute_for(params=N, tokens=D, coefficients=c)
            size = law.best_params(C, c) if N is None else N
            return _complete(law, size, C / (K * size), c)
        if N is not None:
            return _complete(law, N, get_form("chinchilla_optimum_for_params").fn(N, **law.chinchilla(c))["D"], c)
        return _complete(law, get_form("chinchilla_optimum_for_tokens").fn(D, **law.chinchilla(c))["N"], D, c)

    what = "tokens at which this size is" if N is not None else "size for which these tokens are"
    return Problem("dL/dN = dL/dD along C = 6 N D", f"The {what} compute-optimal.", solve)


def _judge(law: Surface, N: float, D: float) -> Problem:
    """A size and its tokens are both given: how far from the optimum of their compute."""
    C = K * N * D

    def solve(c: Coefficients | None) -> Outcome:
        n = law.best_params(C, c)
        best = law.loss(n, C / (K * n), c)
        here = _complete(law, N, D, c)
        more = {"excess": here["L"] - best, "best_N": n, "best_D": C / (K * n)}
        if law.is_chinchilla:
            least = get_form("chinchilla_compute_for_loss").fn(here["L"], **law.chinchilla(c))["C"]
            more |= {"times_optimal": D / _for_fixed(law, N, None).solve(c)["D"], "waste": C / least}
        return here | more

    return Problem(
        "L(N, D) against the least loss at C = 6 N D",
        "Both are given: this is how far they are from the optimum of their compute.",
        solve,
        ("N", "D", "r", "C", "L", "excess", *(("times_optimal", "waste") if law.is_chinchilla else ()), "best_N", "best_D"),
    )


def _widen(
    law: Surface,
    budget: Budget,
    outcome: Outcome,
    bounds: dict[str, tuple[float, float]],
    request: AllocateRequest,
    laws: LawBook,
) -> dict[str, tuple[float, float]]:
    """Carry an uncertain budget (MFU, price) into the intervals: its ends are solved too, and spreads add in logs."""
    flops = budget.flops
    if flops is None or flops.low is None or flops.high is None or (request.params_total and request.tokens):
        return bounds
    ends = [_problem(request, Budget(flops.model_copy(update={"value": end})), law, laws).solve(None) for end in (flops.low, flops.high)]
    wide: dict[str, tuple[float, float]] = {}
    for key, centre in outcome.items():
        reach = [float(np.asarray(end[key])) for end in ends]
        wide[key] = _joined(centre, bounds.get(key, (centre, centre)), (min(*reach, centre), max(*reach, centre)))
    return wide


def _joined(centre: float, own: tuple[float, float], reach: tuple[float, float]) -> tuple[float, float]:
    """Two independent intervals about one value as one: distances in logs added as the root of their squares."""
    if centre <= 0:
        return own
    down, up = (np.hypot(np.log(own[side] / centre), np.log(reach[side] / centre)) for side in (0, 1))
    return centre * float(np.exp(-down)), centre * float(np.exp(up))


def _result(
    request: AllocateRequest,
    budget: Budget,
    law: Surface,
    laws: LawBook,
    problem: Problem,
    outcome: Outcome,
    bounds: dict[str, tuple[float, float]],
) -> Result:
    values = _values(request, budget, law, problem, outcome, bounds)
    return Result(
        tool="allocate",
        task="allocate",
        headline=[
            _named("N", law)[0],
            "tokens",
            "tokens_per_param",
            "loss",
            *(_named(key, law)[0] for key in _JUDGED if key in problem.asks),
        ],
        values=values,
        tables=_curves(law, values),
        alternatives=allocation_alternatives(laws, law.card.id, values["compute_flops"].number),
        assumptions=[*budget.assumptions, *_assumptions(request, law)],
        warnings=[*budget.notices, *_notices(request, law, outcome, values)],
        reasons=[problem.why],
    )


def _values(
    request: AllocateRequest,
    budget: Budget,
    law: Surface,
    problem: Problem,
    outcome: Outcome,
    bounds: dict[str, tuple[float, float]],
) -> dict[str, Value]:
    """The numbers the problem asks for: as the question states them where it does, else by the law."""
    inputs = {name: value for name, value in request.model_dump(exclude_none=True).items() if isinstance(value, int | float)}
    if budget.flops is not None:
        inputs["compute_flops"] = budget.flops.number
    judged = request.params_total and request.tokens
    stated = {"N": request.params_total, "D": request.tokens}
    values: dict[str, Value] = {}
    for key in problem.asks:
        name, unit, label, quantity = _named(key, law)
        if key == "C" and budget.flops is not None and request.inference_tokens is None and not judged:
            values[name] = budget.flops
        elif stated.get(key):
            values[name] = Value(value=outcome[key], unit=unit, label=label, quantity=quantity, source="the question")
        else:
            low, high = bounds.get(key, (0.0, 1.0))
            values[name] = law.value(
                key,
                outcome,
                bounds if low != high else {},
                unit=unit,
                label=label,
                formula=problem.formula,
                inputs=inputs,
                quantity=quantity,
            )
    return values


def _assumptions(request: AllocateRequest, law: Surface) -> list[Assumption]:
    counted = "params without embeddings" if law.size_quantity == "params_nonembedding" else "all params"
    made = [
        Assumption(field="compute convention", value="C = 6 N D", source=f"Kaplan et al. 2020, section 2.1; N counts {counted}"),
    ]
    if request.law is None:
        made.append(assumed_law())
    if request.unique_tokens:
        made.append(
            Assumption(
                field="repetition",
                value=REPETITION_LAW,
                source=f"worth of repeated tokens taken from {REPETITION_LAW} and composed with {law.card.id}: our composition, no paper tested it",
            )
        )
    return made


def _named(key: str, law: Surface) -> tuple[str, str, str, str]:
    """Key, unit, label and quantity of a number of the outcome, size and loss as the law counts them."""
    name, unit, label, quantity = _UNITS[key]
    if key == "N" and law.size_quantity == "params_nonembedding":
        return law.size_quantity, unit, "params without embeddings, as the law counts", law.size_quantity
    if key in ("L", "excess") and law.loss_unit != unit:
        return name, law.loss_unit, label, next(iter(law.card.relations["loss"].outputs.values())).quantity if key == "L" else ""
    return name, unit, label, quantity


def _curves(law: Surface, values: dict[str, Value]) -> list[Table]:
    C = values["compute_flops"].number
    return [valley(law, C, float(law.best_params(C))), frontier(law, C)]


def _notices(request: AllocateRequest, law: Surface, outcome: Outcome, values: dict[str, Value]) -> list[Notice]:
    found: list[Notice] = []
    if request.inference_tokens and "total" in outcome and request.compute_flops and outcome["C"] > request.compute_flops * 1.001:
        found.append(
            Notice(
                level="caution",
                text="Training takes more than the stated compute: the saving comes back in serving. "
                "With the training budget fixed, the compute-optimal size among the other laws below has the least loss.",
            )
        )
    flagged = next((value for value in values.values() if value.outside), None)
    if flagged is not None:
        found.append(Notice(level="caution", source=flagged.law, text="Extrapolated: " + "; ".join(flagged.outside) + "."))
    if far := far_outside(law.card, "loss", law.variant, outcome):
        found.append(Notice(level="warning", source=law.card.id, text=far))
    return found
