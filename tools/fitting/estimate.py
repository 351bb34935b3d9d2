"""Fitting one form to one group of runs: many starts, the global optimum and how surely it is one, then its spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knowledge.errors import InputError
from tools.fitting._solver import Solution, solve
from tools.fitting.objective import HUBER_DELTA, Objective, objective_for
from tools.fitting.parallel import shares_memory, spread, workers
from tools.fitting.runs import RunTable
from tools.fitting.spec import FitForm, starting_points

Floats = npt.NDArray[np.float64]
N_STARTS = 64
SEARCH_ROWS = 4000  # starts are searched on at most this many rows; the best are finished on all
WIDE_ROWS = 100
AGREEMENT = 0.2  # of the starts must end at the best optimum, or the search is widened
WIDE_DELTA = 20.0  # the wide search's Huber over the real one's
MAX_PLACES = 5  # ends of the wide search that are followed to the real optimum, best first
_SAME_PLACE = 1e-3  # relative difference of wide cost below which two searches ended at one place
_CHUNK_CELLS = 120_000  # resamples x rows solved together: the working arrays stay in a core's cache


@dataclass(frozen=True)
class Optimum:
    """The best parameters found and how they were: `agree` of `starts` searches ended within 1e-6 of its objective."""

    theta: Floats
    cost: float
    starts: int
    agree: int
    converged: bool
    others: tuple[float, ...] = ()


def columns_for(spec: FitForm, table: RunTable) -> dict[str, Floats]:
    """The form's inputs from the table; raises InputError naming the column that is missing."""
    return {name: table[role] for name, role in spec.inputs.items()}


def make_objective(spec: FitForm, table: RunTable, delta: float = HUBER_DELTA) -> Objective:
    """Objective of a form on a table."""
    columns = columns_for(spec, table)
    return objective_for(spec.centred(columns), columns, table[spec.target], delta)


def _amplitudes(objective: Objective, shapes: Floats) -> Floats:
    """Fill linear amplitudes by relative least squares given the shape parameters, kept positive where they must be."""
    spec = objective.spec
    linear = [i for i, p in enumerate(spec.parameters) if p.linear]
    if not linear:
        return shapes
    names, columns = spec.names, dict(objective.inputs)
    basis = []
    for i in linear:
        coefficients = {
            names[j]: (np.full((len(shapes), 1), float(i == j)) if j in linear else shapes[:, j : j + 1]) for j in range(len(names))
        }
        out = objective.form.fn(**columns, **coefficients, **spec.constants)
        value = out[spec.output] if isinstance(out, dict) else out
        basis.append(np.broadcast_to(value, (len(shapes), objective.n)))
    scale = np.abs(objective.target) if spec.residual == "log" else np.full(objective.n, float(np.mean(np.abs(objective.target))) or 1.0)
    design = np.stack(basis, 1) / scale
    size = np.sqrt(np.einsum("skn,skn->sk", design, design)) + 1e-300
    design = design / size[:, :, None]
    gram = np.matmul(design, design.transpose(0, 2, 1)) + 1e-9 * np.eye(len(linear))
    solved = np.linalg.solve(gram, np.matmul(design, (objective.target / scale)[None, :, None]))[:, :, 0]
    least = 1e-3 * np.sqrt(objective.n)
    positive = np.array([spec.parameters[i].log for i in linear])
    solved = np.where(positive & (solved < least), least, solved) / size
    out = shapes.copy()
    out[:, linear] = solved
    return out


def start_rows(objective: Objective, n_starts: int) -> Floats:
    """Internal starting parameters [n_starts, p]."""
    medians = {name: float(np.median(column)) for name, column in objective.inputs.items()} | {
        "": float(np.median(np.abs(objective.target)))
    }
    with np.errstate(all="ignore"):
        natural = _amplitudes(objective, starting_points(objective.spec, medians, n_starts))
        theta = objective.internal({name: natural[:, i] for i, name in enumerate(objective.spec.names)})
    return theta[np.isfinite(theta).all(1)]


def _thin(objective: Objective, cap: int, copy: bool = False) -> Objective:
    """The objective on an even sample of its rows in order of the target, for searching only."""
    if objective.n <= cap:
        return (
            objective_for(objective.spec, {k: v[0] for k, v in objective.inputs.items()}, objective.target, objective.delta)
            if copy
            else objective
        )
    rows = np.argsort(objective.target, kind="stable")[np.linspace(0, objective.n - 1, cap).astype(int)]
    return objective_for(objective.spec, {k: v[0][rows] for k, v in objective.inputs.items()}, objective.target[rows], objective.delta)


def find_optimum(objective: Objective, n_starts: int = N_STARTS) -> Optimum:
    """Global optimum from many starts solved together: first with a wide Huber (smooth, few traps), then the real one.

    When few starts agree on it, the valley is hard to find and the search is repeated from eight times as many.
    """
    found = _search(objective, n_starts, WIDE_ROWS, MAX_PLACES)
    if found.agree >= AGREEMENT * found.starts or n_starts < N_STARTS:
        return found
    again = _search(objective, 8 * n_starts, 4 * WIDE_ROWS, 24 * MAX_PLACES)
    return again if again.cost <= found.cost * (1 + 1e-9) else found


def _search(objective: Objective, n_starts: int, wide_rows: int, places: int) -> Optimum:
    search = _thin(objective, SEARCH_ROWS)
    n, heads, followers = _wide_search(search, n_starts, wide_rows, places)
    rough = solve(search.normal, heads, np.ones((1, search.n)), search.bounds, tolerance=1e-8, max_iterations=60)
    order = np.argsort(rough.cost, kind="stable")
    if not np.isfinite(rough.cost[order[0]]):
        raise InputError("runs", "the form has no finite loss on these runs", "check the columns and their units, or try another --form")
    front = objective.internal(search.natural(rough.theta[order[:1]]))
    last = solve(
        objective.normal, front, np.ones((1, objective.n)), objective.bounds, tolerance=max(1e-14, 1e-16 * objective.n), max_iterations=200
    )
    best = int(np.argmin(last.cost))
    agree = int(np.sum(followers[rough.cost <= rough.cost[order[0]] * (1 + 1e-6) + 1e-18]))
    return Optimum(
        last.theta[best], float(last.cost[best]), n, agree, bool(last.converged[best]), tuple(float(c) for c in rough.cost[order])
    )


def _wide_search(objective: Objective, n_starts: int, rows: int, places: int) -> tuple[int, Floats, npt.NDArray[np.intp]]:
    """How many starts were tried, the places they ended at [k,p], best first, and how many ended at each.

    Done on a sample of the rows: it only has to find the right valley.
    """
    sample = _thin(objective, max(rows, 10 * objective.p), copy=True)
    starts = start_rows(sample, n_starts)
    sample.delta = WIDE_DELTA * objective.delta
    found = solve(sample.normal, starts, np.ones((1, sample.n)), sample.bounds, tolerance=1e-3, max_iterations=14) if len(starts) else None
    heads, followers = _distinct(found) if found is not None else (np.zeros(0, np.intp), np.zeros(0, np.intp))
    if found is None or not len(heads):
        raise InputError("runs", "no start of the search has a finite loss", "check the columns and their units")
    return len(starts), objective.internal(sample.natural(found.theta[heads[:places]])), followers[:places]


def _distinct(found: Solution) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """One row for each place the searches ended at, best first, and how many searches ended there."""
    order = np.argsort(found.cost, kind="stable")
    order = order[np.isfinite(found.cost[order])]
    steps = np.diff(np.log(np.maximum(found.cost[order], 1e-300))) > _SAME_PLACE
    heads = np.concatenate([[0], np.flatnonzero(steps) + 1]).astype(np.intp) if len(order) else np.zeros(0, np.intp)
    return order[heads], np.diff(np.append(heads, len(order)))


def _solve_cut(objective: Objective, start: Floats, weights: Floats, tolerance: float) -> Solution:
    rows = np.tile(start, (len(weights), 1))
    return solve(objective.normal, rows, weights, objective.bounds, tolerance=tolerance, max_iterations=200, damping=0.3)


def _solve_elsewhere(
    spec: FitForm, inputs: dict[str, Floats], target: Floats, delta: float, start: Floats, weights: Floats, tolerance: float
) -> Solution:
    # Another process is sent plain data and builds the objective anew.
    return _solve_cut(objective_for(spec, inputs, target, delta), start, weights, tolerance)


def solve_resamples(
    objective: Objective,
    start: Floats,
    weights_of: Callable[[int, int], Floats],
    n: int,
    *,
    tolerance: float = 1e-9,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Solution:
    """Refit `n` resamples from `start` [p]; `weights_of(a, b)` gives row weights of resamples a..b.

    Chunks are cut by size alone, so that the answer does not depend on the number of workers.
    """
    size = max(1, min(n, _CHUNK_CELLS // objective.n))
    cuts = [(a, min(a + size, n)) for a in range(0, n, size)]

    def told(number: int) -> None:
        if progress:
            progress(cuts[number][1] - cuts[number][0])

    n_workers = min(n_workers or workers(), len(cuts))
    if shares_memory() or n_workers == 1:
        parts = spread(lambda a, b: _solve_cut(objective, start, weights_of(a, b), tolerance), cuts, n_workers, told)
    else:
        data = {name: column[0] for name, column in objective.inputs.items()}
        pieces = ((objective.spec, data, objective.target, objective.delta, start, weights_of(a, b), tolerance) for a, b in cuts)
        parts = spread(_solve_elsewhere, pieces, n_workers, told)
    return Solution(
        np.concatenate([p.theta for p in parts]),
        np.concatenate([p.cost for p in parts]),
        np.concatenate([p.converged for p in parts]),
        max(p.iterations for p in parts),
    )
