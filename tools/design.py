"""Which small runs to do before a large one: an optimal set under a compute budget, next to the common isoFLOP grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools.budget import Budget, BudgetFields, budget_of
from tools.fitting.design import FLOPS_PER_PARAM_TOKEN, NOISE, Plan, Problem, Want, isoflop_grid, plan_runs
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value
from tools.surface import Surface, surface

NEEDS = (
    ("compute_flops",),
    ("params_total", "tokens"),
    ("params_total",),
    ("budget_usd",),
    ("accelerator_hours",),
    ("n_accelerators", "duration_seconds"),
)
LARGE_RUN = 1e22  # compute stated alone above this is taken for the large run's, below it for the small runs' budget
BUDGET_SHARE = 0.05  # of the large run's compute, for the small runs together
REACH = 100.0  # compute of the large run over the small runs' budget, when only the budget is stated
_SPENDS = (0.1, 0.3, 1.0, 3.0)


class DesignRequest(BudgetFields):
    """The large run to be forecast (params and tokens), the compute for the small runs, or one of the two."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    target_flops: float | None = Field(default=None, gt=0, description="compute of the large run, FLOP")
    want: Want = "loss"
    noise: float = Field(default=NOISE, gt=0, lt=0.5, description="standard deviation of log loss between runs of one setting")
    law: str | None = None


@dataclass
class _Setup:
    budget: float
    params: float
    tokens: float
    assumptions: list[Assumption] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@tool(task="design_experiments", title="Which small runs to do", needs=NEEDS)
def design_experiments(request: DesignRequest, laws: LawBook) -> Result:
    """Sizes, tokens and repeats of small runs that pin down a large run's loss (or optimal size) best for a budget.

    Fisher information of the law's form at its coefficients; exchange algorithm (Fedorov 1972).
    """
    law = surface(laws, request.law)
    setup = _setup(request, law)
    problem = problem_of(law, setup.params, setup.tokens, request.noise)
    plan, grid = plan_runs(problem, setup.budget, request.want), isoflop_grid(problem, setup.budget)
    spend = [
        (share * setup.budget, plan_runs(problem, share * setup.budget, request.want), isoflop_grid(problem, share * setup.budget))
        for share in _SPENDS
    ]
    large = FLOPS_PER_PARAM_TOKEN * setup.params * setup.tokens
    if setup.budget > large:
        text = f"The small runs may spend {setup.budget:.3g} FLOP, more than the {large:.3g} FLOP of the large run they are to predict."
        setup.notices.append(Notice(level="warning", text=text))
    setup.assumptions.append(
        Assumption(field="noise", value=request.noise, source="spread of log loss between repeated runs in public suites")
    )
    reasons = [
        f"runs are placed where the form of {law.card.id} is most sensitive to what is wanted; the grid spreads them evenly instead",
        "settings far from compute-optimal are kept on purpose: they separate the effect of size from that of data",
    ]
    return Result(
        tool="design_experiments",
        task="design_experiments",
        headline=["n_runs", "small_runs_flops", "loss_interval", "grid_loss_interval"],
        values=_values(problem, plan, grid, law, setup),
        tables=[_runs_table(plan), _spend_table(spend)],
        alternatives=[_grid_alternative(grid, law)],
        assumptions=setup.assumptions,
        warnings=[*setup.notices, _caution()],
        reasons=reasons,
    )


def problem_of(law: Surface, params: float, tokens: float, noise: float) -> Problem:
    """The design problem of a law and a target run; other forms than Chinchilla's are used without an optimal size."""
    relation = law.card.relations["loss"]
    values = law.card.variants[law.variant or ""].values
    names = [name for name in values if isinstance(values[name], float | int)]
    from tools.forms import get_form

    wanted = {c: relation.rename.get(c, c) for c in get_form(relation.form).coefficients}
    coefficients = {c: float(values[on_card]) for c, on_card in wanted.items() if on_card in names}  # pyright: ignore
    return Problem(relation.form, coefficients, params, tokens, noise, "chinchilla_optimum" if law.is_chinchilla else "")


def _setup(request: DesignRequest, law: Surface) -> _Setup:
    found = _budget(request)
    stated = found.flops.number if found.flops is not None else None
    assumptions, notices = list(found.assumptions), list(found.notices)
    if request.params_total is not None:
        tokens = request.tokens
        if tokens is None:
            tokens = _optimal_tokens(law, request.params_total)
            assumptions.append(
                Assumption(field="tokens", value=tokens, unit="tokens", source=f"compute-optimal for the size by {law.card.id}")
            )
        target = FLOPS_PER_PARAM_TOKEN * request.params_total * tokens
        return _Setup(stated or _share(target, assumptions), request.params_total, tokens, assumptions, notices)
    target = request.target_flops
    if stated is None and target is None:
        raise MissingInput(NEEDS, "a plan of small runs")
    only_compute = request.budget_usd is None and request.accelerator_hours is None and request.n_accelerators is None
    if target is None and stated is not None and stated >= LARGE_RUN and only_compute:
        target, stated = stated, None
        notices.append(Notice(level="info", text="the compute stated is taken for the large run; the small runs get a share of it"))
    if target is None and stated is not None:
        target = REACH * stated
        assumptions.append(Assumption(field="target_flops", value=target, unit="FLOP", source="a run of a hundred times the budget"))
    assert target is not None
    params = float(law.best_params(target))
    return _Setup(stated or _share(target, assumptions), params, target / (FLOPS_PER_PARAM_TOKEN * params), assumptions, notices)


def _budget(request: DesignRequest) -> Budget:
    if (
        request.compute_flops is None
        and request.budget_usd is None
        and request.accelerator_hours is None
        and request.n_accelerators is None
    ):
        return Budget(None)
    return budget_of(request)


def _share(target: float, assumptions: list[Assumption]) -> float:
    assumptions.append(
        Assumption(
            field="compute_flops",
            value=BUDGET_SHARE * target,
            unit="FLOP",
            source="a twentieth of the large run's compute for all small runs together",
        )
    )
    return BUDGET_SHARE * target


def _optimal_tokens(law: Surface, params: float) -> float:
    """Tokens at which a size is compute-optimal, by bisection on compute in logs."""
    import math

    low, high = math.log(6 * params), math.log(6 * params * params * 1e6)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if float(law.best_params(math.exp(middle))) < params else (low, middle)
    return math.exp(low) / (FLOPS_PER_PARAM_TOKEN * params)


def _values(problem: Problem, plan: Plan, grid: Plan, law: Surface, setup: _Setup) -> dict[str, Value]:
    formula = "variance = g' (sum J J'/noise^2)^-1 g; half-width = 1.645 sqrt(variance)"
    common = {
        "law": law.card.id,
        "relation": "loss",
        "variant": law.variant or "",
        "formula": formula,
        "inputs": {"noise": problem.noise, "target_params": setup.params, "target_tokens": setup.tokens},
    }

    def value(number: float, unit: str, label: str, quantity: str = "") -> Value:
        return Value(value=number, unit=unit, label=label, quantity=quantity, **common)  # pyright: ignore

    found = {
        "n_runs": value(plan.n_runs, "", "small runs, repeats counted", "count"),
        "small_runs_flops": value(plan.flops, "FLOP", "compute of all small runs", "flops"),
        "budget_flops": value(setup.budget, "FLOP", "budget for the small runs", "flops"),
        "target_params": value(setup.params, "params", "size of the large run", "params_total"),
        "target_tokens": value(setup.tokens, "tokens", "tokens of the large run", "tokens"),
        "loss_interval": value(plan.loss_halfwidth, "", "relative half-width (90%) of the large run's forecast loss", "fraction"),
        "grid_loss_interval": value(grid.loss_halfwidth, "", "the same from an isoFLOP grid of the same compute", "fraction"),
    }
    if plan.params_halfwidth is not None:
        found["size_interval"] = value(plan.params_halfwidth, "", "half-width (90%) of the logarithm of the optimal size", "fraction")
    return found


def _runs_table(plan: Plan) -> Table:
    columns = [
        Column(name="params", label="size", unit="params"),
        Column(name="tokens", label="tokens", unit="tokens"),
        Column(name="tokens_per_param", label="tokens per parameter"),
        Column(name="flops", label="compute of one run", unit="FLOP"),
        Column(name="repeats", label="repeats"),
    ]
    rows = [[run.params, run.tokens, run.tokens / run.params, run.flops, run.repeats] for run in plan.runs]
    return Table(name="runs", title="Runs to do", columns=columns, rows=rows)  # pyright: ignore


def _spend_table(spend: list[tuple[float, Plan, Plan]]) -> Table:
    columns = [
        Column(name="budget", label="budget", unit="FLOP"),
        Column(name="runs", label="runs"),
        Column(name="loss_interval", label="half-width (90%) of the loss, chosen runs"),
        Column(name="grid_loss_interval", label="half-width (90%) of the loss, isoFLOP grid"),
    ]
    rows = [[budget, plan.n_runs, plan.loss_halfwidth, grid.loss_halfwidth] for budget, plan, grid in spend]
    return Table(name="spend", title="Expected interval against spend", columns=columns, rows=rows)  # pyright: ignore


def _grid_alternative(grid: Plan, law: Surface) -> Alternative:
    values = {
        "n_runs": Value(value=grid.n_runs, label="runs", quantity="count"),
        "loss_interval": Value(
            value=grid.loss_halfwidth, label="relative half-width (90%) of the loss", law=law.card.id, quantity="fraction"
        ),
    }
    return Alternative(name="isoFLOP grid", values=values, note="levels of compute, sizes spread around each level's optimum")


def _caution() -> Notice:
    return Notice(
        text="the interval counts the runs' noise only: that the form holds at the large run is assumed, and back-tests of real "
        "series miss by more the further they reach",
        source="back-tests over public series",
    )
