"""The training run a question means, its gaps filled, and what a number of accelerators makes of it: its speed, or why it does not fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools.budget import DEFAULT_ACCELERATOR, RunFields, assumed_accelerator
from tools.convert import FLOPS_PER_PARAM_TOKEN, in_words
from tools.result import Assumption, Notice
from tools.systems.batch import critical_batch_tokens, default_batch_tokens, most_data_ranks
from tools.systems.flops import count_params
from tools.systems.goodput import goodput
from tools.systems.layout import Search, search
from tools.systems.mfu import Estimate, estimate, on_known_cluster
from tools.systems.planning import CONTEXT_SOURCE, Cluster, cluster, usual_context
from tools.systems.profile import profile_from


class WallClockRequest(RunFields):
    """A training run and the cluster or the deadline it has; fields and units of the brief."""

    sequence_length: float | None = Field(default=None, ge=1)
    batch_tokens: float | None = Field(default=None, gt=0)
    optimizer: str = "adamw"
    profile: dict[str, Any] | None = Field(default=None, description="profile of the user's cluster, as `flopwise calibrate` writes it")


@dataclass
class TrainingRun:
    """The run a request describes, its gaps filled: tokens, active params, FLOP, tokens a sequence, sequences a batch."""

    shape: ModelShape
    part: Accelerator
    tokens: float
    active: float
    flops: float
    seq: float
    batch: float
    assumptions: list[Assumption]
    notices: list[Notice]

    @property
    def peak(self) -> float:
        """16-bit peak of one accelerator, FLOP/s, against which MFU is counted."""
        return self.part.peak("bf16")

    def on(self, devices: float, dtype: str) -> Cluster:
        """So many of the run's accelerators, their matmuls in one precision."""
        return cluster(self.part.id, devices, dtype)


def run_of(request: WallClockRequest, laws: LawBook) -> TrainingRun:
    """The run of a request; what was filled in is among its assumptions. Raises InputError where size or tokens cannot be told."""
    assumed: list[Assumption] = []
    part = accelerator(request.accelerator or DEFAULT_ACCELERATOR)
    if request.accelerator is None:
        assumed.append(assumed_accelerator(part))
    params = request.params_total
    if params is None and request.model is None:
        params = _untold_size(request)
        assumed.append(
            Assumption(
                field="params_total",
                value=params,
                unit="params",
                source="compute / (6 tokens)" if request.tokens else "20 tokens per parameter (Hoffmann et al. 2022), to predict the speed",
            )
        )
    shape = request.shape(params)
    active = request.params_active or (
        count_params(shape).active if request.model or shape.n_experts else params or count_params(shape).total
    )
    tokens = request.tokens or (
        request.compute_flops / (FLOPS_PER_PARAM_TOKEN * active) if request.compute_flops else shape.training_tokens
    )
    if tokens is None:
        raise InputError("tokens", "no number of training tokens is told", "give tokens or compute_flops")
    if request.tokens is None and request.compute_flops is None:
        assumed.append(Assumption(field="tokens", value=tokens, unit="tokens", source=f"what {shape.name or shape.id} was trained on"))
    flops = request.compute_flops or FLOPS_PER_PARAM_TOKEN * active * tokens
    seq = request.sequence_length or usual_context(active)
    if request.sequence_length is None:
        assumed.append(Assumption(field="sequence_length", value=seq, unit="tokens", source=CONTEXT_SOURCE))
    batch_tokens = request.batch_tokens
    if batch_tokens is None:
        batch_tokens, source = default_batch_tokens(tokens, laws)
        assumed.append(Assumption(field="batch_tokens", value=batch_tokens, unit="tokens/step", source=source))
    notices = [] if request.batch_tokens is None else _large_batch(request.batch_tokens, tokens, laws)
    return TrainingRun(shape, part, tokens, active, flops, seq, max(1.0, round(batch_tokens / seq)), assumed, notices)


def _untold_size(request: WallClockRequest) -> float:
    """The size a stated compute suggests: over its tokens, else at 20 tokens per parameter (Hoffmann et al. 2022)."""
    if request.compute_flops is None:
        raise InputError("params_total", "no size is told", "give params_total, model or compute_flops")
    tokens = request.tokens or 20.0 * (request.compute_flops / 120.0) ** 0.5
    return request.params_active or request.compute_flops / (FLOPS_PER_PARAM_TOKEN * tokens)


def _large_batch(batch_tokens: float, tokens: float, laws: LawBook) -> list[Notice]:
    """A caution for a stated batch far above the critical one (Zhang et al. 2024)."""
    critical = critical_batch_tokens(tokens, laws)
    if batch_tokens <= 2.0 * critical:
        return []
    text = (
        f"A batch of {in_words(batch_tokens, 'tokens')} tokens is far above the critical one of {in_words(critical, 'tokens')}: "
        "it saves few steps for the tokens it costs."
    )
    return [Notice(level="caution", text=text, source="zhang2024_cbs")]


def speed_on(run: TrainingRun, request: WallClockRequest, devices: float) -> Estimate | None:
    """Speed on a number of devices, corrected by the cluster's profile where there is one; None when no layout fits."""
    on = run.on(devices, request.dtype)
    found = estimate(run.shape, on, run.seq, run.batch, request.optimizer)
    if found is None or request.profile is None:
        return found
    return on_known_cluster(found, profile_from(request.profile), run.shape, on, run.seq, run.batch)


def fewest_devices(run: TrainingRun, request: WallClockRequest) -> float | None:
    """Fewest accelerators whose calendar time meets the deadline, whole nodes; None when the batch cannot feed enough of them."""
    deadline = request.duration_seconds or 0.0
    total = count_params(run.shape).total

    def seconds(devices: float) -> float:
        found = None if request.mfu else speed_on(run, request, devices)
        share = request.mfu or (found.mfu if found else 0.0)
        good = goodput(run.part.id, devices, total) if request.mfu else 1.0
        return run.flops / (devices * run.peak * share) / good if share else math.inf

    ceiling = most_data_ranks(run.batch) * 512.0 if request.mfu is None else 1e7
    size = 1.0
    while seconds(size) > deadline:
        size *= 2
        if size > ceiling:
            return None
    step, low = 8.0, size / 2
    while size - low > max(step, 0.02 * size):
        middle = step * round((low + size) / 2 / step)
        low, size = (low, middle) if seconds(middle) <= deadline else (middle, size)
    return size


def _search(run: TrainingRun, request: WallClockRequest, devices: float) -> Search:
    return search(run.shape, run.on(devices, request.dtype), run.seq, run.batch, optimizer=request.optimizer)


def nearest_size(run: TrainingRun, request: WallClockRequest, devices: float) -> tuple[float, Estimate | None]:
    """Nearest number of devices a layout exists for: fewer where the batch cannot feed them, else more."""
    starved = _search(run, request, devices).candidates == 0
    size = 2.0 ** math.floor(math.log2(devices)) if starved else devices
    plan = speed_on(run, request, size)
    while plan is None and (size > 1 if starved else size <= 65536):
        size *= 0.5 if starved else 2.0
        plan = speed_on(run, request, size)
    return size, plan


def misfit(run: TrainingRun, request: WallClockRequest, devices: float) -> str:
    """Why no layout of the run fits a number of devices, in a sentence."""
    nearest = _search(run, request, devices).nearest
    if nearest is None:
        return f"{devices:g} {run.part.id} admit no layout for a batch of {run.batch:g} sequences."
    return (
        f"No layout fits: the leanest ({nearest.describe()}) needs {nearest.memory_bytes / 1e9:.3g} GB per device and {run.part.id} has "
        f"{run.part.memory_bytes / 1e9:.3g} GB."
    )
