"""Measures the systems tools against the shared measured tables and prints every figure.

    python -m evals.systems_report [--quick] [--json FILE]

Step time is measured with the source left out (the efficiencies are refitted without it) and with the configuration left out
(the general model never
saw the source; the other configurations of the source correct it). Intervals in both are made without the source they are checked on.
`--quick` skips the refits and reports only what the shipped calibration gives.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.calibrate_runs import by_publisher, covered, read_runs, runs_left_out
from evals.calibrate_systems import (
    ROWS,
    Measured,
    error,
    fit,
    group_intervals,
    leave_configuration_out,
    leave_source_out,
    memory_left_out,
    memory_rows,
    predict,
    read,
)
from knowledge.hardware import accelerator
from knowledge.shapes import model
from tools.systems.layout import search
from tools.systems.planning import cluster, shape_for
from tools.systems.predict import FIT_TOLERANCE, interval_group, predict_training
from tools.systems.rows import number
from tools.systems.runs import predict_run
from tools.systems.tables import predict_table

Array = NDArray[np.floating[Any]]
TARGETS: dict[str, tuple[float, float]] = {
    "source left out": (0.14, 0.42),
    "configuration left out": (0.06, 0.28),
    "easy rows, source left out": (0.09, 0.28),
}


def step_time(data: Measured) -> dict[str, Any]:
    """Errors and coverage of step time in both protocols."""
    effects = fit(data)
    unseen = leave_source_out(data, effects)
    left, variance = leave_configuration_out(data, unseen)
    easy = easy_rows(data)
    out: dict[str, Any] = {
        "rows": len(data),
        "fitted": error(data.log_seconds - predict(data, effects)),
        "source left out": error(unseen),
        "configuration left out": error(left),
        "easy rows": int(easy.sum()),
        "easy rows, source left out": error(unseen[easy]),
        "easy rows, configuration left out": error(left[easy]),
    }
    out["coverage, source left out"] = float(np.mean(_covered_unseen(data, unseen)))
    out["coverage, configuration left out"] = float(np.mean(_covered_known(data, left, variance)))
    out["by source"] = {
        name: [int((data.source == name).sum()), *error(unseen[data.source == name]), *error(left[data.source == name])]
        for name in sorted(set(data.source.tolist()))
    }
    return out


def easy_rows(data: Measured) -> NDArray[np.bool_]:
    """Dense 16-bit A100 and H100 rows with a full layout, which public estimators can take: the common set of ESTIMATORS.md section 7."""
    anchors = ROWS.with_name("anchor_predictions_training.csv")
    with anchors.open(encoding="utf8", newline="") as lines:
        taken = {row["id"] for row in csv.DictReader(lines) if row["workload"] == "pretrain" and row["e_laf"]}
    return np.array([row["id"] in taken for row in data.rows])


def _covered_unseen(data: Measured, unseen: Array) -> NDArray[np.bool_]:
    groups = np.array([interval_group(item) for item in data.parsed])
    inside = np.zeros(len(data), bool)
    for name in set(data.source.tolist()):
        held = data.source == name
        table = group_intervals(groups[~held].tolist(), unseen[~held], data.source[~held])
        for i in np.flatnonzero(held):
            low, high = table.get(groups[i], table["general"])
            inside[i] = low <= unseen[i] <= high
    return inside


def _covered_known(data: Measured, left: Array, variance: Array) -> NDArray[np.bool_]:
    score = np.abs(left) / np.sqrt(variance)
    inside = np.zeros(len(data), bool)
    for name in set(data.source.tolist()):
        held = data.source == name
        inside[held] = score[held] <= np.quantile(score[~held], 0.9)
    return inside


def memory() -> dict[str, Any]:
    """Peak memory: the general model with its source left out, and the shipped estimate; rows that ran and are called impossible."""
    parsed, peak, source = memory_rows()
    out = memory_left_out(parsed, peak, source)
    with ROWS.open(encoding="utf8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if number(row, "params_total")]
    shipped = [predict_training(row) for row in rows]
    general = [predict_training({**row, "source_group": ""}) for row in rows]
    seen = np.array(
        [
            np.log(number(row, "peak_mem_gb") or 1.0) - np.log(item.peak_mem_gb)
            for row, item in zip(rows, shipped, strict=True)
            if number(row, "peak_mem_gb")
        ]
    )
    return {
        "rows": len(peak),
        "source left out": error(out),
        "shipped, source known": error(seen),
        "rows that ran": len(rows),
        "called impossible": sum(not item.fits for item in shipped) / len(rows),
        "called impossible, source unknown": sum(not item.fits for item in general) / len(rows),
        "tolerance": FIT_TOLERANCE,
    }


def runs() -> dict[str, Any]:
    """Hours of whole runs, each predicted by overheads that saw neither it nor its publisher."""
    found = read_runs()
    left = runs_left_out(found)
    inside = covered(left, found.publisher)
    shipped = [predict_run(row) for row in found.rows]
    hours = [float(row["accelerator_hours"]) for row in found.rows]
    seen = np.log(hours) - np.log([item.hours for item in shipped])
    shared = np.array([not row.get("publisher") for row in found.rows])
    return {
        "rows": len(found.rows),
        "of the shared table": int(shared.sum()),
        "publisher left out": error(left),
        "run left out": error(runs_left_out(found, by_publisher=False)),
        "for scale, 6 N D at 40%": error(np.log(hours) - np.log([_naive_hours(row) for row in found.rows])),
        "shipped, shared table": error(seen[shared]),
        "shipped, published runs": error(seen[~shared]),
        "inside 90%, publisher left out": float(inside.mean()),
        "the same, mean over publishers": by_publisher(found.publisher, inside),
    }


def _naive_hours(row: Mapping[str, str]) -> float:
    active = number(row, "params_active") or float(row["params_total"])
    return 6.0 * active * float(row["tokens"]) / (accelerator(row["accelerator"]).peak("bf16") * 0.4 * 3600.0)


def speed() -> dict[str, float]:
    """Seconds of a layout search for 405B on 16,384 H100, and of one warm estimate of a row."""
    shape, on = model("llama-3.1-405b"), cluster("h100-sxm", 16384)
    row = {
        "model": "x",
        "params_total": "7e9",
        "accelerator": "H100-SXM",
        "n_accelerators": "64",
        "global_batch_tokens": "4e6",
        "seq_len": "4096",
        "layers": "32",
        "hidden": "4096",
        "micro_batch": "1",
        "tp": "1",
        "pp": "1",
        "precision": "bf16",
        "framework": "torchtitan",
        "activation_checkpointing": "full",
    }
    return {
        "search of 405B on 16,384 H100 (s)": _seconds(lambda: search(shape, on, 8192, 2048), 5),
        "one estimate, warm (s)": _seconds(lambda: predict_training(row), 200),
    }


def _seconds(work: Callable[[], Any], times: int) -> float:
    work()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def accounting() -> dict[str, Any]:
    """Parameters counted from shapes against published totals."""
    from knowledge.shapes import models
    from tools.systems.flops import count_params

    off = [abs(count_params(shape).total / shape.params_total - 1.0) for shape in models().values() if shape.params_total]
    designed = [abs(count_params(shape_for(None, size)).total / size - 1.0) for size in (3e8, 1e9, 7e9, 13e9, 70e9, 405e9)]
    return {
        "models": len(off),
        "within 0.5%": float(np.mean(np.array(off) <= 0.005)),
        "largest miss": float(max(off)),
        "designed shapes, largest miss": float(max(designed)),
    }


def answers_unread() -> bool:
    """Whether predictions stay the same when every measured answer is blanked."""
    from tools.systems.rows import ANSWERS

    with ROWS.open(encoding="utf8", newline="") as lines:
        rows = list(csv.DictReader(lines))[::9]
    blank = [{key: "" if key in ANSWERS else value for key, value in row.items()} for row in rows]
    return predict_table("training", rows) == predict_table("training", blank)


def _show(title: str, values: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, value in values.items():
        if isinstance(value, dict):
            print(f"  {name}: rows, source left out median and p90, configuration left out median and p90")
            for key, cells in value.items():
                print(f"    {key:<28} {cells[0]:>4}  " + "  ".join(f"{cell:6.1%}" for cell in cells[1:]))
        elif isinstance(value, tuple):
            goal = TARGETS.get(name)
            print(
                f"  {name}: median {value[0]:.1%}, 90th percentile {value[1]:.1%}"
                + (f" (target {goal[0]:.0%} / {goal[1]:.0%})" if goal and "Step" in title else "")
            )
        else:
            print(f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="skip the refits")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    options = parser.parse_args(arguments)
    if not ROWS.exists():
        print(f"the measured tables are not at {ROWS.parent}", file=sys.stderr)
        return 2
    parts: dict[str, dict[str, Any]] = {} if options.quick else {"Step time": step_time(read(ROWS))}
    parts |= {"Peak memory": memory(), "Whole runs (hours)": runs(), "Accounting": accounting(), "Speed": speed()}
    parts["Answers"] = {"predictions unchanged when measured columns are blanked": answers_unread()}
    for title, values in parts.items():
        _show(title, values)
    if options.json:
        Path(options.json).write_text(json.dumps(parts, indent=1, default=float) + "\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
