"""The end of a plan: the point chosen by curves over sizes, at the speed that `wall_clock` gives of that very run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tools.plan.evaluate import Branch, Model
from tools.plan.solve import Point, size_of, solve
from tools.systems.mfu import Estimate, of_run
from tools.systems.planning import shape_for

_ROUNDS = 12  # every option is corrected when it is first chosen, then two or three rounds at its size; most plans take three in all
_SAME = 1e-7

Corrections = dict[tuple[str, int | None, int], float]  # Option.key -> MFU of the run over the curve's


def run_estimate(model: Model, point: Point) -> Estimate | None:
    """The speed of the run a point describes; None where no layout of it fits or its utilisation is stated."""
    option, size = point.branch.option, size_of(point)
    if option.stated_mfu is not None:
        return None
    total = point.columns["params_total"]
    shape = shape_for(None, total, size if option.experts > 1 else None, n_experts=option.experts)
    return of_run(shape, option.part, option.dtype, size, point.columns["tokens"], option.count, model.laws, model.profile)


def settle(model: Model, branches: list[Branch]) -> tuple[Point | None, list[Branch], Corrections]:
    """The optimum over branches corrected by the very run's estimate wherever one is chosen, those branches, and the corrections.

    An option's first correction solves everything again, since another may now be better; from then on its size is kept and the
    tokens follow the limits at the estimate's speed.
    """
    found: Corrections = {}
    best = solve(model, branches)
    for _ in range(_ROUNDS):
        ratio = None if best is None else _ratio(model, best)
        if best is None or ratio is None or abs(ratio / best.branch.option.settled - 1.0) < _SAME:
            break
        key = best.branch.option.key
        first = key not in found
        found[key] = ratio
        branches = corrected(branches, found)
        best = solve(model, branches) if first else _at_size(model, branches, best) or solve(model, branches)
    return best, branches, found


def settle_roughly(model: Model, branches: list[Branch], known: Mapping[tuple[str, int | None, int], float]) -> Point | None:
    """The optimum on the grid for a comparison: options with known corrections as they are, another one corrected once."""
    branches = corrected(branches, known)
    best = solve(model, branches, refine=False)
    ratio = None if best is None or best.branch.option.key in known else _ratio(model, best)
    if best is None or ratio is None:
        return best
    return solve(model, corrected(branches, {best.branch.option.key: ratio}), refine=False)


def corrected(branches: list[Branch], by: Mapping[tuple[str, int | None, int], float]) -> list[Branch]:
    """Branches whose options carry the corrections given for them."""
    return [
        replace(branch, option=replace(branch.option, settled=by[branch.option.key])) if branch.option.key in by else branch
        for branch in branches
    ]


def _ratio(model: Model, point: Point) -> float | None:
    """MFU of the run over what the uncorrected curve says of its size."""
    run = run_estimate(model, point)
    return None if run is None else run.mfu * point.branch.option.settled / float(point.branch.option.mfu(size_of(point)))


def _at_size(model: Model, branches: list[Branch], best: Point) -> Point | None:
    same = [branch for branch in branches if (branch.option.key, branch.bits) == (best.branch.option.key, best.branch.bits)]
    return solve(replace(model, problem=replace(model.problem, params=size_of(best), sizes={})), same)
