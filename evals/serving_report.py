"""How far serving estimates miss measurements they had not seen: python -m evals.serving_report ROWS.csv (about five minutes).

Every row is predicted by a calibration that had not seen its source (leave-source-out) and by one that had not seen its configuration;
intervals are made without the source under test as well. The anchor is weights / (0.7 x bandwidth) per step.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.calibrate_serving import Array, Data, HeldOut, configurations, intervals, leave_out, read, read_csv
from knowledge.errors import InputError
from knowledge.hardware import accelerator

REGIMES = {"batch-1": "one request at a time", "load": "stated batch or concurrency", "open": "maximum throughput, batch not told"}
TARGETS = {"batch-1": 0.20, "load": 0.30, "open": 0.30}
_SHARE = 0.7


def anchor(rows: Sequence[Mapping[str, Any]]) -> Array:
    """Log tokens/s of the naive model, batch x 0.7 x bandwidth x devices / weights; nan where batch, part or size is not told."""
    return np.array([_naive(row) for row in rows])


def _naive(row: Mapping[str, Any]) -> float:
    try:
        part = accelerator(str(row["accelerator"]))
        weights = float(row["params_total"]) * float(row["weight_bits"]) / 8
        batch, devices = float(row["batch_or_concurrency"]), float(row["n_accelerators"])
    except (InputError, ValueError):
        return float("nan")
    return float(np.log(batch * _SHARE * part.memory_bandwidth_bytes_per_s * devices / weights))


def errors(predicted: Array, measured: Array) -> Array:
    """Absolute relative errors, nan where either is missing."""
    return np.abs(np.expm1(predicted - np.log(measured)))


def coverage(data: Data, sources: HeldOut, inner: HeldOut) -> tuple[Array, Array]:
    """Whether each row lies in its 90% interval: (its source unseen and out of the intervals too, its configuration unseen)."""
    regime = [case.regime for case in data.cases]
    outside, inside = np.full(len(regime), np.nan), np.full(len(regime), np.nan)
    every = intervals(data, sources, inner)
    for source in np.unique(data.source):
        held = data.source == source
        bounds = intervals(data, sources, inner, skip=held)
        for i in np.flatnonzero(held & np.isfinite(data.rate)):
            low, high = bounds[regime[i]][str(sources.known[i])]
            outside[i] = low <= np.log(data.rate[i]) - sources.predicted[i] <= high
            low, high = every[regime[i]][str(inner.known[i])]
            inside[i] = low <= np.log(data.rate[i]) - inner.predicted[i] <= high
    return outside, inside


def table(title: str, groups: Mapping[str, NDArray[np.bool_]], columns: Mapping[str, Array]) -> str:
    """Median and 90th percentile of each column's errors by group."""
    lines = [title, f"{'':38s} rows  " + "  ".join(f"{name:>22s}" for name in columns)]
    for name, mask in groups.items():
        cells = [_cell(column[mask & np.isfinite(column)]) for column in columns.values()]
        lines.append(f"{name:38s} {int(mask.sum()):5d}  " + "  ".join(f"{cell:>22s}" for cell in cells))
    return "\n".join(lines)


def _cell(values: Array) -> str:
    return f"{np.median(values):.1%} / {np.quantile(values, 0.9):.1%}" if len(values) else "-"


def report(rows: Sequence[Mapping[str, Any]], data: Data, sources: HeldOut, inner: HeldOut) -> str:
    """All figures as text, from predictions of unseen sources and of unseen configurations."""
    seen = np.isfinite(data.rate)
    regime = np.array([case.regime for case in data.cases])
    kept = {(str(row["id"])): row for row in rows}
    naive = errors(anchor([kept[name] for name in data.id]), data.rate)
    held, configured = errors(sources.predicted, data.rate), errors(inner.predicted, data.rate)
    columns = {"unseen source": held, "unseen configuration": configured, "0.7 x bandwidth": naive}
    masks = {f"{name}: {text}": seen & (regime == name) for name, text in REGIMES.items()}
    masks["all at load"] = seen & (regime != "batch-1")
    by_source = {
        f"{source} {name}": seen & (data.source == source) & (regime == name) for source in np.unique(data.source) for name in REGIMES
    }
    outside, inside = coverage(data, sources, inner)
    lines = [
        table("Absolute relative error of output tokens/s, median / 90th percentile", masks, columns),
        "",
        table("By source", {name: mask for name, mask in by_source.items() if mask.any()}, columns),
        "",
        "Coverage of 90% intervals, unseen source / unseen configuration",
    ]
    for name, mask in {**masks, "all": seen}.items():
        lines.append(f"{name:38s} {np.nanmean(outside[mask]):.1%} / {np.nanmean(inside[mask]):.1%}")
    waited = {"seconds to the first token, whole batches": np.isfinite(data.first)}
    lines += [
        "",
        table(
            "Absolute relative error of the time to the first token",
            waited,
            {"unseen source": errors(sources.first, data.first), "unseen configuration": errors(inner.first, data.first)},
        ),
    ]
    lines += ["", *(_target(name, held[seen & (regime == name)], naive[seen & (regime == name)], limit) for name, limit in TARGETS.items())]
    return "\n".join(lines)


def _target(name: str, held: Array, naive: Array, limit: float) -> str:
    median, told = float(np.nanmedian(held)), np.isfinite(naive)
    better = f", {np.median(naive[told]) / np.median(held[told]):.2f} x better than the anchor (at least 1.50)" if told.any() else ""
    return f"{name}: median {median:.1%} (at most {limit:.0%}){better}: {'met' if median <= limit else 'MISSED'}"


def main() -> None:
    """Hold out, predict, print."""
    rows = read_csv(Path(sys.argv[1]))
    data = read(rows)
    print(report(rows, data, leave_out(data, data.source), leave_out(data, configurations(data))))


if __name__ == "__main__":
    main()
