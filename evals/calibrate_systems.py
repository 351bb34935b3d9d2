"""Fits the step-time and memory models to measured rows and writes knowledge/calibration.yaml and knowledge/cluster_profiles.json.

    python -m evals.calibrate_systems [ROWS.csv]

One robust least-squares fit of the efficiencies in logs with Gaussian priors (tools/systems/efficiency.py:PRIORS), so that a
generation or family
with few rows stays near the general value. Rows of one source share their weight (n^0.3 effective rows), or the largest table
would decide alone.
Intervals come from residuals of sources left out, memory margins from rows with a measured peak.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from evals import calibrate_runs
from tools.systems.efficiency import PRIORS, effect_keys, resolve_many
from tools.systems.job import Job, stack
from tools.systems.memory import training_memory
from tools.systems.predict import interval_group
from tools.systems.profile import SCALES, Profile, point_of
from tools.systems.rows import ANSWERS, RowJob, number, row_job
from tools.systems.step_time import step_seconds

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT.parent / "shared" / "measured" / "training_throughput.csv"
NOISE, ROBUST, SOURCE_POWER = 0.12, 0.3, 0.35  # sd of a log residual, where robustness sets in, weight n^-0.35 of a row of a source with n
SHRINK_ROWS = 30.0  # rows' worth of the general interval mixed into a group's own

Array = NDArray[np.floating[Any]]


@dataclass
class Measured:
    """Rows with a measured step time, ready for fitting."""

    rows: list[dict[str, str]]
    parsed: list[RowJob]
    job: Job
    log_seconds: Array
    source: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, index: NDArray[np.intp]) -> Measured:
        """The rows at these positions."""
        return Measured(
            [self.rows[i] for i in index],
            [self.parsed[i] for i in index],
            self.job.take(index),
            self.log_seconds[index],
            self.source[index],
        )


def read(path: Path = ROWS) -> Measured:
    """The pretraining rows of a table with a step time, a size and a batch: 570 of the shared one."""
    with path.open(encoding="utf8", newline="") as lines:
        rows = [
            row
            for row in csv.DictReader(lines)
            if row["workload"] == "pretrain" and all(number(row, key) for key in ("step_time_s", "params_total", "global_batch_tokens"))
        ]
    parsed = [row_job(row) for row in rows]
    return Measured(
        rows,
        parsed,
        stack([item.job for item in parsed]),
        np.log([float(row["step_time_s"]) for row in rows]),
        np.array([row["source_group"] for row in rows]),
    )


def predict(data: Measured, effects: Mapping[str, float]) -> Array:
    """Log step seconds of every row."""
    return np.log(
        step_seconds(data.job, resolve_many(effects, [item.generation for item in data.parsed], [item.family for item in data.parsed]))
    )


def _priors(data: Measured) -> dict[str, tuple[float, float]]:
    found = {name: (float(np.log(value)), sd) for name, (value, sd, _, _) in PRIORS.items()}
    for item in data.parsed:
        for name, (_, _, generation_sd, family_sd) in PRIORS.items():
            _, parent, generation, family = effect_keys(name, item.generation, item.family)
            if generation_sd:
                found.setdefault(parent, (0.0, generation_sd))
                found.setdefault(generation, (0.0, generation_sd))
            if family_sd:
                found.setdefault(family, (0.0, family_sd))
    return found


def fit(data: Measured, start: Mapping[str, float] | None = None, evaluations: int = 25) -> dict[str, float]:
    """Effects at the posterior mode: pseudo-Huber residuals in logs plus Gaussian priors."""
    priors = _priors(data)
    names = list(priors)
    position = {name: i for i, name in enumerate(names)}
    centre, sd = np.array([priors[name][0] for name in names]), np.array([priors[name][1] for name in names])
    pairs = sorted({(item.generation, item.family) for item in data.parsed})
    which = np.array([pairs.index((item.generation, item.family)) for item in data.parsed])
    applies = {
        name: [[position[key] for key in dict.fromkeys(effect_keys(name, *pair)) if key in position] for pair in pairs] for name in PRIORS
    }
    _, inverse, counts = np.unique(data.source, return_inverse=True, return_counts=True)
    weight = counts[inverse] ** -SOURCE_POWER / NOISE
    edge = ROBUST / NOISE

    def residuals(effects: Array) -> Array:
        eff = {name: np.array([np.exp(effects[index].sum()) for index in applies[name]])[which] for name in PRIORS}
        raw = (np.log(step_seconds(data.job, eff)) - data.log_seconds) * weight
        robust = np.sign(raw) * edge * np.sqrt(2.0 * (np.sqrt(1.0 + (raw / edge) ** 2) - 1.0))
        return np.concatenate([robust, (effects - centre) / sd])

    first = centre if start is None else np.array([start.get(name, middle) for name, middle in zip(names, centre, strict=True)])
    found = least_squares(residuals, first, x_scale=sd, max_nfev=evaluations)
    return dict(zip(names, (float(value) for value in found.x), strict=True))


def leave_source_out(data: Measured, effects: Mapping[str, float], progress: bool = False) -> Array:
    """Log(measured / predicted) of every row by a fit that saw nothing of its source."""
    out = np.zeros(len(data))
    for name in sorted(set(data.source.tolist())):
        held = np.flatnonzero(data.source == name)
        own = fit(data.subset(np.flatnonzero(data.source != name)), effects, evaluations=5)
        out[held] = data.log_seconds[held] - predict(data.subset(held), own)
        if progress:
            print(f"  {name}: {len(held)} rows, median {np.median(np.abs(np.expm1(-out[held]))):.1%}", flush=True)
    return out


def configurations(data: Measured) -> list[str]:
    """A label per row; repeats of one configuration share it."""
    skipped = ANSWERS | {"id", "source"}
    return ["|".join(value for key, value in row.items() if key not in skipped) for row in data.rows]


def leave_configuration_out(data: Measured, residuals: Array) -> tuple[Array, Array]:
    """(left-over log residual, posterior variance) of every row corrected by the other configurations of its source."""
    left, variance = np.zeros(len(data)), np.zeros(len(data))
    points = [point_of(item, row["framework"]) for item, row in zip(data.parsed, data.rows, strict=True)]
    labels = np.array(configurations(data))
    for name in sorted(set(data.source.tolist())):
        member = np.flatnonzero(data.source == name)
        for label in sorted(set(labels[member].tolist())):
            rest, held = member[labels[member] != label], member[labels[member] == label]
            profile = Profile(name, tuple(points[i] for i in rest), tuple(residuals[rest]))
            for i in held:
                mean, variance[i] = profile.correct(points[i])
                left[i] = residuals[i] - mean
    return left, variance


def group_intervals(groups: Sequence[str], residuals: Array, source: NDArray[np.str_]) -> dict[str, list[float]]:
    """Central 90% of residuals of unseen sources by group, shrunk to all rows; rows of large sources count less (n^-0.5 each)."""
    _, inverse, counts = np.unique(source, return_inverse=True, return_counts=True)
    weight = counts[inverse] ** -0.5
    whole = _quantiles(residuals, weight)
    out = {"general": whole}
    names = np.array(groups)
    for name in sorted(set(groups)):
        mine = names == name
        size = float(mine.sum())
        own = _quantiles(residuals[mine], weight[mine])
        # few rows: never narrower than what is common to all
        mixed = [(size * a + SHRINK_ROWS * b) / (size + SHRINK_ROWS) for a, b in zip(own, whole, strict=True)]
        out[name] = mixed if size >= SHRINK_ROWS / 3 else [min(mixed[0], 1.15 * whole[0]), max(mixed[1], 1.15 * whole[1])]
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in out.items()}


def _quantiles(values: Array, weight: Array) -> list[float]:
    order = np.argsort(values)
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    return [float(np.interp(level, share, values[order])) for level in (0.05, 0.95)]


MEMORY_START: dict[str, float] = {"states": 1.0, "activations": 1.0, "fixed_bytes": 2.5e9, "fixed_early_bytes": 8e9, "slack": 1.05}
MEMORY_SD: dict[str, float] = {"states": 0.02, "activations": 0.2, "fixed_bytes": 0.3, "fixed_early_bytes": 0.4, "slack": 0.02}


def memory_rows(path: Path = ROWS) -> tuple[list[RowJob], Array, NDArray[np.str_]]:
    """Rows with a measured peak memory: jobs, peak bytes, sources."""
    with path.open(encoding="utf8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if number(row, "peak_mem_gb") and number(row, "params_total")]
    return (
        [row_job(row) for row in rows],
        np.array([float(row["peak_mem_gb"]) * 1e9 for row in rows]),
        np.array([row["source_group"] for row in rows]),
    )


def fit_memory(parsed: Sequence[RowJob], peak: Array, source: NDArray[np.str_]) -> dict[str, float]:
    """Memory margins by robust least squares in logs, near their priors."""
    job = stack([item.job for item in parsed])
    names = list(MEMORY_START)
    centre = np.log([MEMORY_START[name] for name in names])
    sd = np.array([MEMORY_SD[name] for name in names])
    _, inverse, counts = np.unique(source, return_inverse=True, return_counts=True)
    weight = counts[inverse] ** -0.5 / 0.1

    def residuals(logs: Array) -> Array:
        total = training_memory(job, dict(zip(names, np.exp(logs), strict=True)))["total"]
        raw = (np.log(total) - np.log(peak)) * weight
        return np.concatenate([np.sign(raw) * np.sqrt(2.0 * (np.sqrt(1.0 + raw**2) - 1.0)), (logs - centre) / sd])

    return {name: float(value) for name, value in zip(names, np.exp(least_squares(residuals, centre).x), strict=True)}


def _memory_residual(row: Mapping[str, str], parsed: RowJob, margins: Mapping[str, float]) -> float | None:
    peak = number(row, "peak_mem_gb")
    return float(np.log(peak * 1e9 / training_memory(parsed.job, margins)["total"])) if peak else None


def memory_left_out(parsed: Sequence[RowJob], peak: Array, source: NDArray[np.str_]) -> Array:
    """Log(measured / predicted) peak memory of every row by margins fitted without its source."""
    job = stack([item.job for item in parsed])
    out = np.zeros(len(peak))
    for name in sorted(set(source.tolist())):
        held = source == name
        margins = fit_memory([item for item, away in zip(parsed, held, strict=True) if not away], peak[~held], source[~held])
        out[held] = np.log(peak[held]) - np.log(training_memory(job, margins)["total"])[held]
    return out


def memory_spread(path: Path = ROWS) -> list[float]:
    """Central 90% of log(measured / predicted) peak with the source left out, of rows that tell the sequence length and the micro-batch."""
    parsed, peak, source = memory_rows(path)
    told = np.array([not any(item.startswith(("seq_len=", "micro_batch=")) for item in row.assumptions) for row in parsed])
    left = memory_left_out(parsed, peak, source)[told]
    _, inverse, counts = np.unique(source[told], return_inverse=True, return_counts=True)
    return _quantiles(left, counts[inverse] ** -0.5)


def error(residuals: Array) -> tuple[float, float]:
    """(median, 90th percentile) of |predicted / measured - 1|."""
    missed = np.abs(np.expm1(-residuals))
    return float(np.median(missed)), float(np.quantile(missed, 0.9))


def write(
    data: Measured, effects: Mapping[str, float], unseen: Array, left: Array, variance: Array, margins: Mapping[str, float], rows_path: Path
) -> None:
    """knowledge/calibration.yaml and knowledge/cluster_profiles.json."""
    groups = [interval_group(item) for item in data.parsed]
    spread = float(np.quantile(np.abs(left) / np.sqrt(variance), 0.9))
    today = datetime.date.today().isoformat()
    fitted = data.log_seconds - predict(data, effects)
    lines = [
        "# Written by `python -m evals.calibrate_systems`; do not edit.",
        "# Effects are logs: general values, and @generation or @family effects on them.",
        f"date: '{today}'",
        f"rows: {len(data)}",
        f"sources: {len(set(data.source.tolist()))}",
        f"table: {rows_path.name}",
        "residuals:",
    ]
    for name, values in (("fitted", fitted), ("source_left_out", unseen), ("configuration_left_out", left)):
        median, tail = error(values)
        lines.append(f"  {name}: {{median: {median:.4f}, p90: {tail:.4f}}}")
    lines += ["effects:"] + [f"  {name}: {value:.5f}" for name, value in sorted(effects.items()) if "@" not in name or abs(value) > 5e-4]
    lines += ["interval:  # central 90% of log(measured / predicted) on sources left out"]
    lines += [f"  {name}: [{low}, {high}]" for name, (low, high) in group_intervals(groups, unseen, data.source).items()]
    lines += [f"profile_spread: {spread:.4f}  # half-width of a profile's 90% interval, in posterior standard deviations"]
    lines += ["memory: {" + ", ".join(f"{name}: {float(f'{value:.5g}')!r}" for name, value in margins.items()) + "}"]
    low, high = memory_spread(rows_path)
    lines += [f"memory_interval: [{low:.4f}, {high:.4f}]  # central 90% of log(measured / predicted) peak on sources left out"]
    (ROOT / "knowledge" / "calibration.yaml").write_text("\n".join(lines + calibrate_runs.section(None)), encoding="utf8")
    profiles = {}
    points = [point_of(item, row["framework"]) for item, row in zip(data.parsed, data.rows, strict=True)]
    for name in sorted(set(data.source.tolist())):
        member = np.flatnonzero(data.source == name)
        memory = tuple(_memory_residual(data.rows[i], data.parsed[i], margins) for i in member)
        profile = Profile(
            name,
            tuple(points[i] for i in member),
            tuple(float(fitted[i]) for i in member),
            f"{len(member)} public rows, {today}",
            memory,
            round(spread, 4),
        )
        profiles[name] = profile.to_json()
    (ROOT / "knowledge" / "cluster_profiles.json").write_text(json.dumps(profiles, separators=(",", ":")) + "\n", encoding="utf8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", default=str(ROWS))
    options = parser.parse_args(arguments)
    path = Path(options.rows)
    data = read(path)
    effects = fit(data)
    print(f"{len(data)} rows, {len(SCALES)} profile axes; fitted {error(data.log_seconds - predict(data, effects))}", flush=True)
    unseen = leave_source_out(data, effects, progress=True)
    left, variance = leave_configuration_out(data, unseen)
    print(f"source left out {error(unseen)}; configuration left out {error(left)}")
    write(data, effects, unseen, left, variance, fit_memory(*memory_rows(path)), path)
    calibrate_runs.write(path.with_name(calibrate_runs.RUNS.name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
