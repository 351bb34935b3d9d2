"""Speed and accuracy of fitting, as ratios against a plain scipy reference in the same run.

    python -m tests.benchmarks.fitting RUNS.csv [--bootstraps 4000] [--reference 20] [--json FILE]

The reference follows the public replication notebook: Huber(1e-3) on log residuals by log-sum-exp, BFGS, a grid of starts for
the fit and the fitted point as the start of each resample (with copied rows and a tolerance that lets them move).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import minimize
from scipy.special import huber, logsumexp

from tools.fitting.bootstrap import bootstrap
from tools.fitting.estimate import N_STARTS, find_optimum, make_objective
from tools.fitting.objective import HUBER_DELTA
from tools.fitting.runs import RunTable, read_runs
from tools.fitting.spec import fit_form

BEST_KNOWN = {"chinchilla_epoch.csv": 0.00101827402}


def reference_cost(theta: np.ndarray, N: np.ndarray, D: np.ndarray, L: np.ndarray) -> float:
    """Sum of Huber losses as the notebook writes it: theta = (log A, log B, log E, alpha, beta)."""
    a, b, e, alpha, beta = theta
    predicted = logsumexp([a - alpha * np.log(N), b - beta * np.log(D), np.full_like(N, e)], axis=0)
    return float(np.sum(huber(HUBER_DELTA, np.log(L) - predicted)))


def reference_fit(start: np.ndarray, columns: tuple[np.ndarray, ...]) -> Any:
    """One minimisation by BFGS with numerical gradients, objective scaled so that the tolerance means something."""
    return minimize(lambda theta: 1e3 * reference_cost(theta, *columns), start, method="BFGS", options={"gtol": 1e-4, "maxiter": 500})


def reference(table: RunTable, starts: int, resamples: int) -> dict[str, float]:
    """Seconds per start and per resample of the plain procedure, and its best objective."""
    columns = (table["params"], table["tokens"], table["loss"])
    grid = list(itertools.product([0.0, 10.0, 20.0], [0.0, 10.0, 20.0], [-1.0, 0.5], [0.0, 1.0], [0.0, 1.0]))
    rng = np.random.default_rng(0)
    chosen = [np.array(grid[i]) for i in rng.permutation(len(grid))[:starts]]
    begin = time.perf_counter()
    fits = [reference_fit(start, columns) for start in chosen]
    per_start = (time.perf_counter() - begin) / len(chosen)
    best = min(fits, key=lambda fit: fit.fun)
    begin = time.perf_counter()
    for _ in range(resamples):
        rows = rng.integers(0, len(table), len(table))
        reference_fit(best.x, tuple(column[rows] for column in columns))
    return {"seconds_per_start": per_start, "seconds_per_resample": (time.perf_counter() - begin) / resamples, "objective": best.fun / 1e3}


def fastest(fn: Callable[[], Any], repeats: int) -> tuple[float, float, Any]:
    """Least wall and CPU seconds of several calls, and the last result."""
    walls, cpus, out = [], [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        out = fn()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus), out


def measure(path: str, bootstraps: int, reference_resamples: int) -> dict[str, Any]:
    """All figures of one table."""
    table = read_runs(path)
    objective = make_objective(fit_form("chinchilla"), table)
    find_optimum(objective)
    fit_wall, fit_cpu, best = fastest(lambda: find_optimum(objective), 7)
    boot_wall, boot_cpu, spread = fastest(lambda: bootstrap(objective, best, bootstraps, seed=0), 3)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain = reference(table, max(4, reference_resamples // 2), reference_resamples)
    draws = spread.coefficients(objective)
    known = BEST_KNOWN.get(os.path.basename(path))
    return {
        "rows": len(table),
        "objective": best.cost,
        "objective_over_best_known": best.cost / known - 1 if known else None,
        "starts": N_STARTS,
        "starts_that_agree": best.agree,
        "fit_seconds": fit_wall,
        "fit_cpu_seconds": fit_cpu,
        "bootstraps": bootstraps,
        "bootstrap_seconds": boot_wall,
        "bootstrap_cpu_seconds": boot_cpu,
        "se_alpha": float(np.std(draws["alpha"], ddof=1)),
        "se_beta": float(np.std(draws["beta"], ddof=1)),
        "peak_memory_mb": memory,
        "reference": plain,
        "fit_speedup": plain["seconds_per_start"] * N_STARTS / fit_wall,
        "bootstrap_speedup": plain["seconds_per_resample"] * bootstraps / boot_wall,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("runs")
    parser.add_argument("--bootstraps", type=int, default=4000)
    parser.add_argument("--reference", type=int, default=20, help="resamples and half as many starts of the reference that are timed")
    parser.add_argument("--json")
    options = parser.parse_args()
    found = measure(options.runs, options.bootstraps, options.reference)
    text = json.dumps(found, indent=2)
    print(text)
    if options.json:
        with open(options.json, "w", encoding="utf8") as stream:
            stream.write(text + "\n")


if __name__ == "__main__":
    main()
