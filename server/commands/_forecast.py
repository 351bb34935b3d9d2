"""What `flopwise forecast` does."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from knowledge.errors import InputError
from server.commands._fit import Progress, load, write_json
from tools.fitting.forecast import Forecast, forecast_group, forecast_with_form, matched_groups
from tools.fitting.runs import RunTable, describe_group, parse_group
from tools.fitting.spec import fit_form


def forecast_command(options: argparse.Namespace) -> int:
    """Forecast the points; predictions keep the order of the points' rows."""
    if not options.runs:
        raise InputError("runs", "no table given", "flopwise forecast RUNS.csv --at POINTS.csv")
    table, points = load(options, options.runs), load(options, options.at, points=True)
    if options.group:
        table = table.choose(parse_group(options.group))
    matches = matched_groups(table, points)
    rows: list[dict[str, Any] | None] = [None] * len(points)
    parts: list[tuple[dict[str, str], Forecast]] = []
    progress = Progress(len(matches), "groups")
    failed: list[dict[str, Any]] = []
    for group, index in matches:
        try:
            part = _one(options, table.choose(group) if group else table, points.take(index))
        except InputError as error:
            if len(matches) == 1:
                raise
            # One group that cannot be forecast must not keep the others from being so; its points get null and the reason.
            failed.append({"group": group, "reason": str(error), "rows": [int(row) for row in points.rows[index]]})
            continue
        parts.append((group, part))
        for place, i in enumerate(index):
            rows[int(i)] = _row(part, place)
        progress(1)
    progress.close()
    if options.json != "-":
        _print(options, points, rows, parts)
        for failure in failed:
            print(f"{describe_group(failure['group'])}: no forecast: {failure['reason']}")
    blank = {"loss": None, "lo": None, "hi": None}
    rows = [row or blank for row in rows]
    if options.json:
        write_json(
            options.json, {"predictions": rows, "level": 0.9, "groups": [_group(group, part) for group, part in parts], "failed": failed}
        )
    return 0 if parts else 1


def _one(options: argparse.Namespace, runs: RunTable, points: RunTable) -> Forecast:
    if options.form:
        return forecast_with_form(runs, points, fit_form(options.form), seed=options.seed)[0]
    return forecast_group(runs, points, seed=options.seed)


def _row(part: Forecast, i: int) -> dict[str, Any]:
    if not np.isfinite(part.loss[i]):
        return {"loss": None, "lo": None, "hi": None}
    return {
        "loss": float(part.loss[i]),
        "lo": float(part.low[i]),
        "hi": float(part.high[i]),
        "members": {name: float(values[i]) for name, values in part.members.items()},
    }


def _group(group: dict[str, str], part: Forecast) -> dict[str, Any]:
    return {
        "group": group,
        "runs": len(part.table),
        "members_used": list(part.used),
        "notes": list(part.notes),
        "problems": [str(problem) for problem in part.table.problems],
        "backtests": [
            {
                "compute_ratio": t.ratio,
                "train_flops": t.train_flops,
                "runs": t.runs,
                "targets": t.targets,
                "rms_error": t.ensemble,
                "by_member": t.errors,
            }
            for t in part.backtests
        ],
    }


def _print(
    options: argparse.Namespace, points: Any, rows: list[dict[str, Any] | None], parts: list[tuple[dict[str, str], Forecast]]
) -> None:
    for row, number in zip(rows, points.rows, strict=True):
        text = "no prediction" if row is None or row["loss"] is None else f"{row['loss']:.4f}  (90%: {row['lo']:.4f} to {row['hi']:.4f})"
        print(f"row {int(number)}: {text}")
    for group, part in parts:
        how = f"form {options.form}" if options.form else f"median of {', '.join(part.used)}"
        print(f"{describe_group(group)}: {how}, fitted to {len(part.table)} runs")
        for test in part.backtests:
            print(
                f"  rehearsal at {test.ratio:.1f}x compute: {100 * test.ensemble:.2f}% error on {test.targets} runs, fitted to {test.runs}"
            )
        for note in [*part.notes, *(str(problem) for problem in part.table.problems)]:
            print(f"  note: {note}")
