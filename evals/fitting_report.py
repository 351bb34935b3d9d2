"""The fitting report: optimum, standard errors, extrapolation over all series, leave-one-table-out choice, adversarial tables.

python -m evals.fitting_report ../shared/data [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from evals.fitting_series import TASKS, Case, all_series, cases, geometric_mean_error
from knowledge.errors import InputError
from tools.fitting.ensemble import fit_ensemble, median_forecast
from tools.fitting.estimate import find_optimum, make_objective
from tools.fitting.fitted import fit_runs
from tools.fitting.forecast import forecast_group
from tools.fitting.runs import build_table, read_runs
from tools.fitting.spec import fit_form

# Sum of Huber(1e-3) at the best known optimum, from the tables' README.
BEST = {
    "chinchilla_epoch": 0.00101827402,
    "llama3_isoflops": 0.0002278083,
    "misfitting": 0.0004101238,
    "gemstones_hot": 0.004967957,
    "gemstones_lr_ablation": 0.001464122,
    "gadre_openlm:c4_original": 0.0004585332,
    "gadre_openlm:rpj": 0.0003917466,
    "gadre_openlm:rw_original": 0.000414445,
    "steplaw_dense": 2.547601e-05,
}
# The choices that were made by back-test: focus of the weights, strength of the priors, how members are combined.
CHOICES = list(itertools.product((12.0, 20.0, 30.0), (5.0, 10.0), ("median", "mean")))
CHOSEN = (20.0, 10.0, "median")


def optimum_table(folder: Path) -> list[dict[str, Any]]:
    """Objective reached against the best known, and how many of the starts agree."""
    rows = []
    for name, runs in all_series(folder).items():
        if name in BEST:
            found = find_optimum(make_objective(fit_form("chinchilla"), runs))
            rows.append(
                {
                    "series": name,
                    "objective": found.cost,
                    "relative_excess": found.cost / BEST[name] - 1,
                    "agree": found.agree,
                    "starts": found.starts,
                }
            )
    return rows


def standard_errors(folder: Path) -> dict[str, float]:
    """Bootstrap standard errors on the digitised Chinchilla runs, against the tight-tolerance values 0.0149 and 0.020."""
    fit = fit_runs(read_runs(folder / "chinchilla_epoch.csv"), fit_form("chinchilla"), n_bootstrap=4000, seed=1)
    return {
        "alpha": fit.se["alpha"],
        "beta": fit.se["beta"],
        "alpha_over_reference": fit.se["alpha"] / 0.0149,
        "beta_over_reference": fit.se["beta"] / 0.020,
    }


@dataclass(frozen=True)
class Outcome:
    """One forecast: median error in percent, share of targets covered, half-widths, and error over half-width by target."""

    case: Case
    error: float
    covered: np.ndarray
    halfwidth: np.ndarray
    ratio: np.ndarray


def extrapolate(folder: Path, windows: tuple[float, ...]) -> tuple[list[Outcome], list[str]]:
    """Forecast every case; refusals are listed, not hidden."""
    outcomes, refused = [], []
    for case in cases(folder, windows):
        try:
            found = forecast_group(case.train, case.target)
        except InputError as error:
            refused.append(f"{case.series} {case.task} {case.window}: {error}")
            continue
        truth = case.target["loss"]
        half = np.log(found.high / found.low) / 2
        outcomes.append(
            Outcome(
                case,
                100 * float(np.median(np.abs(found.loss / truth - 1))),
                (found.low <= truth) & (truth <= found.high),
                half,
                np.abs(np.log(truth / found.loss)) / half,
            )
        )
    return outcomes, refused


def summary(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """By task: geometric mean of median errors, coverage, median half-width, and the factor the intervals would need to cover 90%."""
    rows = []
    for task in TASKS:
        mine = [o for o in outcomes if o.case.task == task]
        if mine:
            rows.append(
                {
                    "task": task,
                    "series": len(mine),
                    "geometric_mean_error_percent": geometric_mean_error([o.error for o in mine]),
                    "coverage_of_points": float(np.mean(np.concatenate([o.covered for o in mine]))),
                    "coverage_mean_of_series": float(np.mean([o.covered.mean() for o in mine])),
                    "median_halfwidth_percent": 100 * float(np.median([np.median(o.halfwidth) for o in mine])),
                    "needed_over_given_width": float(np.quantile(np.concatenate([o.ratio for o in mine]), 0.9)),
                }
            )
    return rows


def leave_one_table_out(folder: Path) -> list[dict[str, Any]]:
    """Error when focus, prior and combination are chosen on the other families only: the choice must hold, or it is tuning."""
    errors: dict[tuple[Any, ...], list[tuple[str, str, float]]] = {choice: [] for choice in CHOICES}
    for case in cases(folder):
        inputs, at = ({"N": t["params"], "D": t["tokens"]} for t in (case.train, case.target))
        for focus, prior in {(c[0], c[1]) for c in CHOICES}:
            members = fit_ensemble(inputs, case.train["loss"], focus=focus, prior=prior).predict(at)
            for how, value in (("median", median_forecast(members)), ("mean", np.mean(np.stack(list(members.values())), axis=0))):
                miss = 100 * float(np.median(np.abs(value / case.target["loss"] - 1)))
                errors[focus, prior, how].append((case.family, case.task, miss))
    families = sorted({family for family, _, _ in errors[CHOSEN]})
    held: dict[str, list[float]] = {task: [] for task in TASKS}
    picked: dict[str, Any] = {}
    for left_out in families:
        best = min(CHOICES, key=lambda choice: _score([e for e in errors[choice] if e[0] != left_out]))
        picked[left_out] = best
        for family, task, miss in errors[best]:
            if family == left_out:
                held[task].append(miss)
    return [
        {
            "task": task,
            "chosen_on_other_families": geometric_mean_error(held[task]),
            "shipped_choice": geometric_mean_error([m for _, t, m in errors[CHOSEN] if t == task]),
        }
        for task in TASKS
    ] + [{"picked": {family: list(choice) for family, choice in picked.items()}}]


def _score(rows: list[tuple[str, str, float]]) -> float:
    """Mean over tasks of the log of the geometric mean error."""
    return float(np.mean([np.log(geometric_mean_error([m for _, t, m in rows if t == task])) for task in TASKS]))


def off_the_law(folder: Path) -> list[dict[str, Any]]:
    """Points an L(N, D) law does not describe: runs at other rates and batches (a setting of size and tokens left out of the sweeps at a
    time), and runs that repeat their data (forecast from the runs that do not)."""
    rows = []
    for name in ("steplaw_dense", "steplaw_moe"):
        table = read_runs(folder / f"{name}.csv")
        _, setting = np.unique(np.round(np.log(np.stack([table["params"], table["tokens"]], 1)), 3), axis=0, return_inverse=True)
        setting, best = np.asarray(setting).ravel(), table["best"] > 0
        held = [
            forecast_group(table.take(best | (setting != one)), table.take(~best & (setting == one))) for one in np.unique(setting[~best])
        ]
        truth = np.concatenate([table["loss"][~best & (setting == one)] for one in np.unique(setting[~best])])
        ends = (np.concatenate([getattr(found, key) for found in held]) for key in ("loss", "low", "high"))
        rows.append({"points": f"{name}, off the best rate and batch", **_judged(truth, *ends)})
    table = read_runs(folder / "datablations.csv")
    repeated = table["tokens"] > 1.01 * table["unique_tokens"]
    found = forecast_group(table.take(~repeated), table.take(repeated))
    rows.append({"points": "datablations, repeated", **_judged(table["loss"][repeated], found.loss, found.low, found.high)})
    return rows


def _judged(truth: np.ndarray, loss: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    return {
        "runs": len(truth),
        "median_error_percent": 100 * float(np.median(np.abs(loss / truth - 1))),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
    }


def adversarial() -> list[dict[str, str]]:
    """What the fit says to tables that carry no law."""
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(np.log(1e8), np.log(1e10), 60)), np.exp(rng.uniform(np.log(1e9), np.log(1e11), 60))
    L = 1.8 + 480 / N**0.35 + 2100 / D**0.37
    noise = 2.5 + 0.2 * rng.normal(size=60)
    same = np.ones(60)
    made = {
        "3 runs": (N[:3], D[:3], L[:3]),
        "one model size": (1e9 * same, D, 1.8 + 480 / 1e9**0.35 + 2100 / D**0.37),
        "identical rows": (1e9 * same, 1e10 * same, 2.5 * same),
        "pure noise": (N, D, noise),
        "loss rises with scale": (N, D, 5 - L),
        "negative losses": (N, D, L - 5),
    }
    rows = []
    for name, columns in made.items():
        table = build_table(name, ["params", "tokens", "loss"], iter([list(zip(*(c.tolist() for c in columns), strict=True))]))
        fit = fit_runs(table, fit_form("chinchilla"), n_bootstrap=100)
        rows.append({"table": name, "status": fit.status, "verdict": fit.verdict})
    return rows


def report(folder: Path, quick: bool) -> dict[str, Any]:
    """Everything, as plain data."""
    outcomes, refused = extrapolate(folder, (1.0,) if quick else (1.0, 4.0))
    whole = [o for o in outcomes if o.case.window == 0]
    data: dict[str, Any] = {
        "optimum": optimum_table(folder),
        "standard_errors": standard_errors(folder),
        "extrapolation": summary(whole),
        "extrapolation_without_porian": summary([o for o in whole if o.case.family != "porian"]),
        "refused": refused,
        "off_the_law": off_the_law(folder),
        "adversarial": adversarial(),
    }
    if not quick:
        data["extrapolation_at_a_quarter_of_the_compute"] = summary([o for o in outcomes if o.case.window == 1])
        data["leave_one_table_out"] = leave_one_table_out(folder)
    return data


def main() -> None:
    """The report on every table of a folder, printed and written as JSON where asked."""
    parser = argparse.ArgumentParser(description="fitting report")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="no second window, no leave-one-table-out choice")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    text = json.dumps(report(options.folder, options.quick), indent=1)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
