"""Fits what whole runs lose beyond a tuned step to published hours, and rewrites the runs section of knowledge/calibration.yaml.

    python -m evals.calibrate_runs [RUNS.csv] [--table]

Two tables: the shared one and evals/suites/published_runs.csv, whose rows are retyped from model cards and papers. A publisher's runs share
a stack and a way to count hours, so publishers are left out whole; in the fit their rows weigh 1/(1 + (n-1) rho) with rho, the correlation
within a publisher, and in the interval 1/n, since it is meant for a publisher not seen. `--table` prints every run beside the prediction.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.hardware import accelerator
from tools.systems.efficiency import calibration, efficiencies
from tools.systems.rows import number
from tools.systems.runs import OVERHEADS, overhead_flags, predict_run

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT.parent / "shared" / "measured" / "training_runs.csv"
PUBLISHED = Path(__file__).parent / "suites" / "published_runs.csv"
RIDGE = 0.3  # pull of an overhead toward 0, in rows
WITHIN = 0.1  # correlation of log residuals within a publisher (analysis of variance: 0.05 to 0.18 by which overheads are fitted)
ROBUST = 0.1  # log residual beyond which a run's weight falls

Array = NDArray[np.floating[Any]]
# what in a source or a model's name tells the publisher, first match
_PUBLISHERS: dict[str, tuple[str, ...]] = {
    "bigscience": ("BLOOM",),
    "meta": ("meta-llama", "llama-table", "OPT-"),
    "nvidia": ("2402.16819", "2104.04473"),
    "google": ("2204.02311",),
    "eleuther": ("2304.01373", "2204.06745"),
    "mosaic": ("MPT-",),
    "tii": ("Falcon",),
    "microsoft": ("Phi-",),
}


@dataclass
class Runs:
    """Whole runs with tokens and hours: overhead flags and log(published / hours at the tuned step)."""

    rows: list[dict[str, str]]
    flags: Array
    excess: Array
    publisher: NDArray[np.str_]


def read_runs(path: Path = RUNS) -> Runs:
    """Runs that tell size, tokens and hours: those of a table, and the published ones it lacks."""
    rows = _complete(path) if path.exists() else []
    known = {row["model"] for row in rows}
    rows += [row for row in _complete(PUBLISHED) if row["model"] not in known]
    flags, excess = [], []
    for row in rows:
        tuned = predict_run(row, factor=0.0)
        assumed = dict(item.split("=") for item in tuned.assumptions if "=" in item)
        devices = number(row, "n_accelerators") or float(assumed["n_accelerators"])
        active = number(row, "params_active") or float(row["params_total"])
        flags.append([overhead_flags(accelerator(row["accelerator"]), devices, active)[name] for name in OVERHEADS])
        excess.append(np.log(float(row["accelerator_hours"]) / tuned.hours))
    return Runs(rows, np.array(flags), np.array(excess), np.array([publisher(row) for row in rows]))


def _complete(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if all(number(row, key) for key in ("params_total", "tokens", "accelerator_hours"))]


def publisher(row: dict[str, str]) -> str:
    """Who published a run."""
    if row.get("publisher"):
        return row["publisher"]
    text = f"{row['source']} {row['model']}"
    told = next((name for name, marks in _PUBLISHERS.items() if any(mark in text for mark in marks)), None)
    return told or row["source"].split(";")[0].split(" ")[0].split(":")[0 if "/" in row["source"].split(":")[0] else -1]


def fit_runs(flags: Array, excess: Array, weight: Array | None = None) -> Array:
    """Overheads by least absolute deviations (reweighted least squares) with a ridge on all but the constant."""
    ridge = np.diag([0.01] + [RIDGE] * (flags.shape[1] - 1))
    prior = np.ones(len(excess)) if weight is None else weight
    effects, use = np.zeros(flags.shape[1]), prior
    for _ in range(30):
        effects = np.linalg.solve((flags * use[:, None]).T @ flags + ridge, (flags * use[:, None]).T @ excess)
        use = prior * ROBUST / np.maximum(ROBUST, np.abs(excess - flags @ effects))
    return effects


def _counts(labels: NDArray[np.str_]) -> Array:
    """Rows of each row's label."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return counts[inverse].astype(float)


def _weight(publishers: NDArray[np.str_]) -> Array:
    return 1.0 / (1.0 + (_counts(publishers) - 1.0) * WITHIN)


def runs_left_out(runs: Runs, by_publisher: bool = True) -> Array:
    """Log(published / predicted) hours of every run by overheads that did not see it (or its publisher)."""
    labels = runs.publisher if by_publisher else np.array([row["id"] for row in runs.rows])
    out = np.zeros(len(labels))
    for label in sorted(set(labels.tolist())):
        held = labels == label
        effects = fit_runs(runs.flags[~held], runs.excess[~held], _weight(runs.publisher[~held]))
        out[held] = runs.excess[held] - runs.flags[held] @ effects
    return out


def interval(residuals: Array, publishers: NDArray[np.str_]) -> tuple[float, float]:
    """Central 90% of residuals of a publisher not seen: every publisher counts once, and plotting positions k/(n+1) leave
    room for the extremes that so few publishers cannot show.
    """
    order = np.argsort(residuals)
    weight = 1.0 / _counts(publishers)[order]
    position = np.cumsum(weight) / (weight.sum() * (1.0 + 1.0 / len(residuals)))
    low, high = (float(np.interp(level, position, residuals[order])) for level in (0.05, 0.95))
    return low, high


def covered(residuals: Array, publishers: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Whether each run is inside the interval made without its publisher."""
    inside = np.zeros(len(residuals), bool)
    for name in set(publishers.tolist()):
        held = publishers == name
        low, high = interval(residuals[~held], publishers[~held])
        inside[held] = (low <= residuals[held]) & (residuals[held] <= high)
    return inside


def by_publisher(publishers: NDArray[np.str_], values: Array | NDArray[np.bool_]) -> float:
    """Mean over publishers of the mean over their runs."""
    return float(np.mean([values[publishers == name].mean() for name in sorted(set(publishers.tolist()))]))


def section(runs: Runs | None) -> list[str]:
    """The runs section of the calibration; without runs a neutral one, which the fit of the runs itself needs to read."""
    if runs is None:
        return ["runs:", "  overhead: {" + ", ".join(f"{name}: 0.0" for name in OVERHEADS) + "}", "  interval: [-0.5, 0.5]", ""]
    left = runs_left_out(runs)
    low, high = interval(left, runs.publisher)
    missed = np.abs(np.expm1(-left))
    effects = fit_runs(runs.flags, runs.excess, _weight(runs.publisher))
    return [
        "runs:  # log of whole-run hours over hours at the tuned step",
        f"  rows: {len(runs.rows)}",
        f"  publishers: {len(set(runs.publisher.tolist()))}",
        f"  publisher_left_out: {{median: {np.median(missed):.4f}, p90: {np.quantile(missed, 0.9):.4f}}}",
        "  overhead: {" + ", ".join(f"{name}: {value:.4f}" for name, value in zip(OVERHEADS, effects, strict=True)) + "}",
        f"  interval: [{low:.4f}, {high:.4f}]",
        "",
    ]


def write(path: Path = RUNS) -> Runs:
    """Rewrite the runs section of knowledge/calibration.yaml; it rests on the step-time model that is there."""
    for cache in (calibration, efficiencies):
        cache.cache_clear()
    runs = read_runs(path)
    target = ROOT / "knowledge" / "calibration.yaml"
    head = target.read_text(encoding="utf8").partition("\nruns:")[0]
    target.write_text(head + "\n" + "\n".join(section(runs)), encoding="utf8")
    calibration.cache_clear()
    return runs


def table(runs: Runs, say: Callable[[str], None] = print) -> None:
    """Every run: published hours, median prediction and 90% interval, both without its publisher."""
    left = runs_left_out(runs)
    inside = covered(left, runs.publisher)
    say(f"{'model':<28}{'publisher':<20}{'part':<15}{'hours':>12}{'predicted':>12}{'low':>12}{'high':>12}")
    for i in np.argsort(runs.publisher, kind="stable"):
        row, held = runs.rows[i], runs.publisher == runs.publisher[i]
        hours = float(row["accelerator_hours"])
        middle = hours / float(np.exp(left[i]))
        low, high = interval(left[~held], runs.publisher[~held])
        ends = f"{middle * np.exp(low):>12,.0f}{middle * np.exp(high):>12,.0f}{'' if inside[i] else '  outside'}"
        say(f"{row['model'][:27]:<28}{runs.publisher[i][:19]:<20}{row['accelerator']:<15}{hours:>12,.0f}{middle:>12,.0f}{ends}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", default=str(RUNS))
    parser.add_argument("--table", action="store_true", help="print every run, write nothing")
    options = parser.parse_args(arguments)
    runs = read_runs(Path(options.runs)) if options.table else write(Path(options.runs))
    if options.table:
        table(runs)
    left = runs_left_out(runs)
    inside = covered(left, runs.publisher)
    print(f"{len(runs.rows)} runs of {len(set(runs.publisher.tolist()))} publishers, each predicted without its publisher:")
    print(f"median error {np.median(np.abs(np.expm1(-left))):.1%}; inside the 90% interval {inside.mean():.1%} of runs,")
    print(f"{by_publisher(runs.publisher, inside):.1%} over publishers")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
