"""The optimum of a plan problem: every branch on a grid of sizes at once, the best refined, and what stands in the way when none is feasible."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tools.plan.evaluate import Branch, Columns, Draw, Model, feasible, objective_of, violations

GRID = np.geomspace(1e6, 1e14, 801)  # a step of 2.3% in size moves the loss by less than 1e-5 near the optimum; the best point is refined


@dataclass(frozen=True)
class Point:
    """One candidate: its branch and its columns as floats."""

    branch: Branch
    columns: dict[str, float]
    objective: float


def size_of(point: Point) -> float:
    """The size that is searched over: active params of a mixture, all params of a dense model."""
    return point.columns.get("params_active", point.columns["params_total"])


@dataclass(frozen=True)
class Relaxation:
    """The least a limit must move, all others kept, for a plan to exist: new bound and factor."""

    limit: str
    bound: float
    needed: float

    @property
    def factor(self) -> float:
        """needed / bound."""
        return self.needed / self.bound


def sizes_of(model: Model) -> np.ndarray:
    """Sizes to consider: the stated one, the family's, or the whole grid."""
    problem = model.problem
    if problem.params is not None:
        return np.array([problem.params])
    return np.array(sorted(problem.sizes.values())) if problem.sizes else GRID


def solve(model: Model, branches: list[Branch], *, refine: bool = True) -> Point | None:
    """The best feasible candidate over all branches; None when no candidate is feasible. Refined between grid points unless a comparison needs no more
    than the grid's step."""
    sizes = sizes_of(model)
    found = [point for branch in branches if (point := _best_on_grid(model, branch, sizes)) is not None]
    if not found:
        return None
    best = min(found, key=_rank)
    return best if not refine or len(sizes) < 3 or model.problem.sizes else _refine(model, best)


def _rank(point: Point) -> tuple[float, float, float]:
    """Equal objectives are decided by money, then by wider weights: no reason to quantize where it buys nothing."""
    return round(point.objective, 12), point.columns["budget_usd"], -point.branch.bits


def _best_on_grid(model: Model, branch: Branch, sizes: np.ndarray) -> Point | None:
    columns = model.columns(branch, sizes)
    ok = feasible(columns, model.problem.limits)
    if not ok.any():
        return None
    values = np.where(ok, objective_of(columns, model.problem), np.inf)
    index = int(np.argmin(values))
    return Point(branch, _row(columns, index), float(values[index]))


def _row(columns: Columns, index: int) -> dict[str, float]:
    return {name: float(np.broadcast_to(column, np.shape(columns["params_total"]))[index]) for name, column in columns.items()}


def _refine(model: Model, point: Point) -> Point:
    """Zoom in between the neighbours on the grid, a hundredfold a round.

    Arrays rather than scipy.optimize: two evaluations of the columns instead of thirty, and half a second less to import on a cold start.
    """
    best, step = point, np.log(GRID[1] / GRID[0])
    for _ in range(2):
        sizes = size_of(best) * np.exp(np.linspace(-step, step, 201))
        found = _best_on_grid(model, point.branch, sizes)
        if found is None or found.objective > best.objective:
            break
        best, step = found, step / 100
    return best


def flat_region(model: Model, best: Point, tolerance: float) -> tuple[float, float] | None:
    """Sizes whose objective is within a share of the optimum's, limits kept; None where sizes are given."""
    if model.problem.params is not None or model.problem.sizes:
        return None
    columns = model.columns(best.branch, GRID)
    good = feasible(columns, model.problem.limits) & (objective_of(columns, model.problem) <= best.objective * (1 + tolerance))
    sizes = GRID[good]
    return (float(sizes[0]), float(sizes[-1])) if len(sizes) else None


def relaxations(model: Model, branches: list[Branch]) -> list[Relaxation]:
    """For each limit, the least new bound that makes the problem feasible with every other limit kept; those it cannot help are left out.

    Budgets that set the tokens (FLOPs, money, hours, days) never show as exceeded: they are lifted in turn and re-solved.
    """
    found: list[Relaxation] = []
    for name, bound in model.problem.limits.stated().items():
        needed = _least_bound(model, branches, name, bound)
        if needed is not None:
            found.append(Relaxation(name, bound, needed))
    return sorted(found, key=lambda item: item.factor)


def _least_bound(model: Model, branches: list[Branch], name: str, bound: float) -> float | None:
    """Bisection on the factor of one limit: feasibility can only improve as it is loosened."""

    def works(factor: float) -> bool:
        limits = replace(model.problem.limits, **{name: bound * factor})
        loosened = replace(model, problem=replace(model.problem, limits=limits))
        return any(feasible(loosened.columns(branch, sizes_of(loosened)), limits).any() for branch in branches)

    low, high = 0.0, np.log(1e9)
    if not works(float(np.exp(high))):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if works(float(np.exp(middle))) else (middle, high)
    return bound * float(np.exp(high))


def binding_limits(point: Point, model: Model) -> list[str]:
    """Limits the plan spends to the last per cent."""
    return [name for name, ratio in violations(point.columns, model.problem.limits).items() if float(ratio) > 0.99]


def at_draws(model: Model, point: Point, draw: Draw) -> Columns:
    """The chosen size and branch under drawn coefficients, MFU and price, its tokens kept."""
    return model.columns(
        point.branch,
        np.full(np.broadcast(np.asarray(draw.mfu), np.asarray(draw.price)).shape, size_of(point)),
        draw,
        D=point.columns["tokens"],
    )
