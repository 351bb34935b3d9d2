"""Accelerator-hours of whole runs: the fastest layout's speed, and what published runs took beyond it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape, model
from tools.systems.design import design_shape
from tools.systems.efficiency import calibration
from tools.systems.flops import count_params
from tools.systems.layout import search
from tools.systems.parts import generation_of
from tools.systems.planning import cluster
from tools.systems.rows import number, strip_answers, text

OVERHEADS: tuple[str, ...] = ("always", "small_cluster", "recent", "recent_small")
_NODE, _CLUSTER = 8.0, 32.0  # devices up to which a run is one node, and from which it is a cluster; between them in logs
_PIVOT, _SMALLEST, _LARGEST = 1e10, 1e8, 5e11  # active parameters: where `recent_small` is 0, and between which sizes runs were seen
_TYPICAL_MFU = 0.4  # where no layout can be priced
_MAX_BATCH, _MIN_BATCH = 2.0**24, 2.0**19


@dataclass(frozen=True)
class RunPrediction:
    """Accelerator-hours of a run, 90% interval, and what was assumed."""

    hours: float
    low: float
    high: float
    mfu: float  # of the whole run, 6 N D convention, 16-bit peak
    assumptions: tuple[str, ...]


def overhead_flags(part: Accelerator, devices: float, params_active: float) -> dict[str, float]:
    """What decides how far whole runs fall behind the tuned step: few devices (no failures, tuned by hand), a recent part,
    and the size on it: small models seldom get near its peak while the largest runs are tuned by hand (log of 1e10 over the active parameters).
    """
    few = min(max(1.0 - math.log(max(devices, 1.0) / _NODE) / math.log(_CLUSTER / _NODE), 0.0), 1.0)
    recent = float(generation_of(part.id) in ("hopper", "blackwell", "cdna4"))
    size = min(max(params_active, _SMALLEST), _LARGEST)
    return {"always": 1.0, "small_cluster": few, "recent": recent, "recent_small": recent * (1.0 - few) * math.log(_PIVOT / size)}


def overhead(flags: Mapping[str, float]) -> float:
    """Log of whole-run hours over hours at the tuned step, from published runs; never below 0."""
    effects = calibration()["runs"]["overhead"]
    return max(0.0, sum(float(effects[name]) * value for name, value in flags.items()))


def run_interval() -> tuple[float, float]:
    """Central 90% of log(published / predicted) hours on runs left out."""
    low, high = calibration()["runs"]["interval"]
    return float(low), float(high)


def tuned_mfu(shape: ModelShape, part: Accelerator, devices: float, seq: float, batch: float, dtype: str = "bf16") -> float | None:
    """6 N D utilisation of the fastest layout on that many devices, or on the next power of two that fits; None when nothing fits."""
    size = devices
    while size <= 131072:
        sequences = float(round(max(batch, size)))
        found = search(shape, cluster(part.id, size, dtype), seq, sequences, keep=1)
        if found.best is not None:
            return 6.0 * count_params(shape).active * sequences * seq / (found.best.step_seconds * size * part.peak("bf16"))
        size *= 2
    return None


def predict_run(row: Mapping[str, Any], factor: float | None = None) -> RunPrediction:
    """Predict a row of the training_runs schema. `factor` replaces the shipped overhead (for validation). Raises InputError
    without part or size.
    """
    row = strip_answers(row)
    assumed: list[str] = []
    part = accelerator(str(row.get("accelerator") or ""))
    shape, active = _shape(row, assumed)
    tokens = number(row, "tokens") or _tokens(shape, active, assumed)
    seq = number(row, "seq_len") or _note(assumed, "seq_len", 4096.0)
    devices = number(row, "n_accelerators") or _note(assumed, "n_accelerators", _a_month(part, active, tokens))
    sequences = max(devices, min(_MAX_BATCH, max(_MIN_BATCH, 22.91 * (tokens / 1e6) ** 0.47 * 512.0)) / seq)  # Zhang et al. 2024, D law
    dtype = "fp8" if "fp8" in text(row, "precision") and "fp8" in part.peak_dense_flops else "bf16"
    tuned = tuned_mfu(shape, part, devices, seq, sequences, dtype) or _TYPICAL_MFU
    share = tuned / math.exp(overhead(overhead_flags(part, devices, active)) if factor is None else factor)
    hours = 6.0 * active * tokens / (part.peak("bf16") * share) / 3600.0
    low, high = run_interval()
    return RunPrediction(hours, hours * math.exp(low), hours * math.exp(high), share, tuple(assumed))


def _note(assumed: list[str], name: str, value: float) -> float:
    assumed.append(f"{name}={value:g}")
    return value


def _shape(row: Mapping[str, Any], assumed: list[str]) -> tuple[ModelShape, float]:
    total = number(row, "params_total")
    active = number(row, "params_active") or total
    try:
        known = model(str(row.get("model") or ""))
    except InputError:
        known = None
    if known is not None and (total is None or abs((known.params_total or total) / total - 1.0) < 0.2):
        return known, active or count_params(known).active
    if total is None or active is None:
        raise InputError("params_total", "no model size is told", "give params_total or a known model")
    assumed.append("shape designed for the size")
    return design_shape(total, params_active=active if active < 0.9 * total else None), active


def _tokens(shape: ModelShape, active: float, assumed: list[str]) -> float:
    return _note(assumed, "tokens", shape.training_tokens or 20.0 * active)


def _a_month(part: Accelerator, active: float, tokens: float) -> float:
    hours = 6.0 * active * tokens / (part.peak("bf16") * _TYPICAL_MFU) / 3600.0
    return max(8.0, 2.0 ** round(math.log2(max(hours / 720.0, 1.0))))
