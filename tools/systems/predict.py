"""Step time, memory and fit of a row of a measurement table, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.systems.efficiency import Effects, calibration, efficiencies, interval, resolve
from tools.systems.memory import training_memory
from tools.systems.profile import Profile, point_of, shipped_profile
from tools.systems.rows import RowJob, number, row_job
from tools.systems.step_time import step_seconds

FIT_TOLERANCE = 1.2  # a row is only called impossible when its estimate passes the memory by more than the estimate's own error


@dataclass(frozen=True)
class TrainingPrediction:
    """What a row should measure. Seconds and GB (1e9 bytes); 90% interval."""

    step_seconds: float
    low: float
    high: float
    peak_mem_gb: float
    fits: bool
    basis: str
    assumptions: tuple[str, ...]


def predict_training(row: Mapping[str, Any], profile: Profile | None = None) -> TrainingPrediction:
    """Predict a row of the training_throughput schema; answers in it are not read. A profile, or a known source_group,
    sharpens the estimate.

    Raises InputError when the row tells neither a known accelerator nor a model size.
    """
    parsed = row_job(row)
    base = general_seconds(parsed)
    known = profile or shipped_profile(str(row.get("source_group") or ""))
    framework = str(row.get("framework") or "")
    step, low, high, basis = _corrected(parsed, base, known, framework)
    need = peak_bytes(parsed) * (math.exp(known.correct_memory(point_of(parsed, framework))) if known else 1.0)
    return TrainingPrediction(
        step, low, high, need / 1e9, _fits(parsed, need, number(row, "tp") is not None), basis, tuple(parsed.assumptions)
    )


def _fits(parsed: RowJob, need: float, told: bool) -> bool:
    """Whether a row can run. A layout that is not told could also cut tensors or stages; the leanest usual one decides."""
    limit = FIT_TOLERANCE * float(parsed.job.memory)
    if need <= limit or told:
        return need <= limit
    cut = float(np.clip(parsed.job.data, 1.0, 16.0))
    lean = parsed.job.with_(tensor=parsed.job.tensor * cut, data=parsed.job.data / cut, micro=1.0, recompute=2.0)
    return float(training_memory(lean, calibration()["memory"])["total"]) <= limit


def general_seconds(parsed: RowJob, effects: Effects | None = None) -> float:
    """Step seconds by the general model, with the shipped efficiencies or given ones."""
    chosen = efficiencies(parsed.generation, parsed.family) if effects is None else resolve(effects, parsed.generation, parsed.family)
    return float(step_seconds(parsed.job, chosen))


def peak_bytes(parsed: RowJob) -> float:
    """Peak bytes per device of a row."""
    return float(training_memory(parsed.job, calibration()["memory"])["total"])


def interval_group(parsed: RowJob) -> str:
    """Rows whose residuals are pooled for an interval: routed models apart, others by generation."""
    return "routed" if float(parsed.job.experts) > 1 else parsed.generation


def _corrected(parsed: RowJob, base: float, known: Profile | None, framework: str) -> tuple[float, float, float, str]:
    if known is None:
        low, high = interval(interval_group(parsed))
        return base, base * math.exp(low), base * math.exp(high), "general model"
    mean, variance = known.correct(point_of(parsed, framework))
    half = known.spread * math.sqrt(variance)
    step = base * math.exp(mean)
    return step, step * math.exp(-half), step * math.exp(half), f"profile of {known.name}"
