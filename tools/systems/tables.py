"""Whole tables of rows: predictions beside the input columns, and a profile of a cluster from its measured rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.errors import InputError
from tools.systems.predict import general_seconds, peak_bytes, predict_training
from tools.systems.profile import Profile, point_of
from tools.systems.rows import number, row_job
from tools.systems.runs import predict_run

Row = Mapping[str, Any]
Cells = dict[str, str]

_STEP, _SERVED, _HOURS = "predicted_step_time_s", "predicted_output_tokens_per_s_total", "predicted_accelerator_hours"
# the interval stands in `lo` and `hi`, and once more under names that no input column can have
COLUMNS: dict[str, tuple[str, ...]] = {
    "training": (_STEP, "lo", "hi", f"{_STEP}_lo", f"{_STEP}_hi", "predicted_peak_mem_gb", "predicted_fits", "basis", "assumed", "error"),
    "serving": (_SERVED, "lo", "hi", f"{_SERVED}_lo", f"{_SERVED}_hi", "error"),
    "runs": (_HOURS, "lo", "hi", f"{_HOURS}_lo", f"{_HOURS}_hi", "predicted_mfu", "assumed", "error"),
}


def _training(row: Row, profile: Profile | None) -> Cells:
    found = predict_training(row, profile)
    _finite(found.step_seconds, found.low, found.high, found.peak_mem_gb)
    return {
        _STEP: _text(found.step_seconds),
        "lo": _text(found.low),
        "hi": _text(found.high),
        "predicted_peak_mem_gb": _text(found.peak_mem_gb),
        "predicted_fits": "yes" if found.fits else "no",
        "basis": found.basis,
        "assumed": "; ".join(found.assumptions),
    }


def _serving(row: Row, profile: Profile | None) -> Cells:
    from tools.systems.serving import predict_row

    del profile
    rate, low, high = predict_row(row)
    _finite(rate, low, high)
    return {_SERVED: _text(rate), "lo": _text(low), "hi": _text(high)}


def _runs(row: Row, profile: Profile | None) -> Cells:
    del profile
    found = predict_run(row)
    _finite(found.hours, found.low, found.high)
    return {
        _HOURS: _text(found.hours),
        "lo": _text(found.low),
        "hi": _text(found.high),
        "predicted_mfu": _text(found.mfu),
        "assumed": "; ".join(found.assumptions),
    }


_PREDICTORS: dict[str, Callable[[Row, Profile | None], Cells]] = {"training": _training, "serving": _serving, "runs": _runs}


def _text(value: float) -> str:
    return f"{value:.6g}"


def _finite(*values: float) -> None:
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise InputError("row", "the values of this row give no finite estimate")


def predict_table(kind: str, rows: Sequence[Row], profile: Profile | None = None) -> list[Cells]:
    """Predicted cells of every row (COLUMNS[kind]); a row that cannot be predicted says why in `error` and leaves the rest empty."""
    if kind not in _PREDICTORS:
        raise InputError("kind", f"{kind!r} is no kind of table", f"use one of {', '.join(_PREDICTORS)}")
    out: list[Cells] = []
    for row in rows:
        cells = dict.fromkeys(COLUMNS[kind], "")
        try:
            with np.errstate(all="ignore"):
                cells |= _PREDICTORS[kind](row, profile)
        except (InputError, ArithmeticError, ValueError) as error:
            cells["error"] = str(error)
        name = COLUMNS[kind][0]
        cells |= {f"{name}_lo": cells["lo"], f"{name}_hi": cells["hi"]}
        out.append(cells)
    return out


@dataclass(frozen=True)
class Calibration:
    """A cluster's profile and what it did to the error of the rows it was made from (each predicted by the others)."""

    profile: Profile
    used: int
    skipped: int
    error_before: float  # median |predicted / measured - 1| of the general model
    error_after: float  # the same with the other rows known


def calibrate(rows: Sequence[Row], name: str) -> Calibration:
    """A profile from rows with a measured step_time_s (and peak_mem_gb where there is one). Raises InputError when no row can be used."""
    points, residuals, memory = [], [], []
    for row in rows:
        measured = _measured_seconds(row)
        if measured is None:
            continue
        try:
            parsed = row_job(row)
            residual = math.log(measured / general_seconds(parsed))
            peak = number(row, "peak_mem_gb")
            at = math.log(peak * 1e9 / peak_bytes(parsed)) if peak else None
        except (InputError, ArithmeticError, ValueError):
            continue
        if math.isfinite(residual):
            points.append(point_of(parsed, str(row.get("framework") or "")))
            residuals.append(residual)
            memory.append(at)
    if not points:
        raise InputError(
            "rows",
            "no row has a measured step_time_s with a known accelerator and a model size",
            "see the columns of the README's estimate section",
        )
    profile = Profile(name, tuple(points), tuple(residuals), f"{len(points)} rows", memory=tuple(memory))
    left = _each_by_the_others(profile)
    return Calibration(profile, len(points), len(rows) - len(points), _missed(residuals), _missed(left))


def _measured_seconds(row: Row) -> float | None:
    """Measured step time, or the one that follows from tokens per second and accelerator."""
    rate, batch, devices = (number(row, key) for key in ("tokens_per_s_per_gpu", "global_batch_tokens", "n_accelerators"))
    return number(row, "step_time_s") or (batch / (rate * devices) if rate and batch and devices else None)


def _each_by_the_others(profile: Profile) -> list[float]:
    left: list[float] = []
    for i, (point, residual) in enumerate(zip(profile.points, profile.residuals, strict=True)):
        others = [j for j, other in enumerate(profile.points) if j != i and other != point]
        rest = Profile(profile.name, tuple(profile.points[j] for j in others), tuple(profile.residuals[j] for j in others))
        left.append(residual - rest.correct(point)[0])
    return left


def _missed(residuals: Sequence[float]) -> float:
    return float(np.median(np.abs(np.expm1(-np.array(residuals)))))
