"""Model FLOPs utilisation a run should expect, with an interval, from the calibrated step-time model.

MFU here is the planner's: 6 x active params x tokens over devices x dense 16-bit peak x time, so that hours follow from FLOPs
by one division.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

from knowledge.hardware import Accelerator, accelerator
from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools.convert import HOUR
from tools.systems.batch import default_batch_tokens
from tools.systems.flops import count_params
from tools.systems.layout import Layout, Search, as_job, search
from tools.systems.planning import Cluster, cluster, shape_for, usual_context
from tools.systems.profile import Profile, point_of
from tools.systems.rows import RowJob
from tools.systems.runs import overhead, overhead_flags, run_interval

LEVEL = 0.9
SOURCE = "fastest layout by the step-time model, less what published whole runs lose beyond it (knowledge/calibration.yaml)"
STEP_SOURCE = "step-time model calibrated on measured training rows (knowledge/calibration.yaml)"

_BEST_MATMUL = 0.87  # the best measured share of a GPU, for parts on which none is measured


@dataclass(frozen=True)
class Estimate:
    """Predicted speed of a run: MFU with its interval, and the layouts it comes from."""

    mfu: float  # over the whole run: failures, restarts, evaluation and untuned phases included
    low: float
    high: float
    tuned: float  # of the step itself, at full health
    step_seconds: float
    tokens_per_second: float
    layouts: Search

    @property
    def layout(self) -> Layout:
        """The layout the estimate is for."""
        best = self.layouts.best
        if best is None:
            raise ValueError("no layout fits")
        return best


def source_of(profile: Profile | None) -> str:
    """Where a predicted speed comes from: the step-time model, corrected by a cluster's profile where there is one."""
    return SOURCE if profile is None else f"profile of {profile.name} on the {SOURCE}"


def corrected_by(profile: Profile) -> str:
    """The sentence that says a profile was used."""
    return f"The measured rows in the profile of {profile.name} correct the predicted speed of training."


def estimate(shape: ModelShape, on: Cluster, seq: float, batch: float, optimizer: str = "adamw") -> Estimate | None:
    """Speed of the fastest layout that fits, or None when none does."""
    found = search(shape, on, seq, batch, optimizer=optimizer)
    return of_search(found, shape, on, seq, batch)


def of_search(found: Search, shape: ModelShape, on: Cluster, seq: float, batch: float) -> Estimate | None:
    """Speed of the best layout of a search."""
    if found.best is None:
        return None
    step = found.best.step_seconds
    tuned = 6.0 * count_params(shape).active * batch * seq / (step * on.devices * on.part.peak("bf16"))
    share = tuned / math.exp(overhead(overhead_flags(on.part, on.devices, count_params(shape).active)))
    low, high = run_interval()
    most = max(share, best_matmul(on.part, on.dtype))
    return Estimate(share, share / math.exp(high), min(share / math.exp(low), most), tuned, step, batch * seq / step, found)


def best_matmul(part: Accelerator, dtype: str) -> float:
    """What a large matrix product alone does on the part, as a share of the 16-bit peak: no training run gets beyond it."""
    faster = part.peak(dtype) / part.peak("bf16") if dtype in part.peak_dense_flops else 1.0
    return (part.matmul_ceiling or _BEST_MATMUL) * max(faster, 1.0)


def usual_devices(part: Accelerator, flops: float, mfu: float | None = None) -> float:
    """Devices on which a training run of so many FLOP takes about a month, whole nodes of 8: the cluster where none is told."""
    share = mfu or 0.3  # about what whole runs reach, failures and evaluation included
    return float(max(8, 8 * round(flops / (part.peak("bf16") * share * HOUR) / 720.0 / 8)))


def of_run(
    shape: ModelShape,
    part: Accelerator,
    dtype: str,
    active: float,
    tokens: float,
    devices: float | None,
    laws: LawBook,
    profile: Profile | None = None,
) -> Estimate | None:
    """Speed of a run of which size, tokens and part are told, at the usual context and batch; on a month's cluster where no count is.
    A profile of the cluster corrects it.
    """
    seq = usual_context(active)
    batch = max(1.0, round(default_batch_tokens(tokens, laws)[0] / seq))
    size = devices or usual_devices(part, 6.0 * active * tokens)
    found = _of_run(shape, part.id, dtype, size, seq, batch)  # pyright: ignore[reportArgumentType]  (frozen pydantic models hash)
    return found if found is None or profile is None else on_known_cluster(found, profile, shape, cluster(part.id, size, dtype), seq, batch)


@functools.lru_cache(1024)
def _of_run(shape: ModelShape, part: str, dtype: str, devices: float, seq: float, batch: float) -> Estimate | None:
    return estimate(shape, cluster(part, devices, dtype), seq, batch)


def on_known_cluster(found: Estimate, profile: Profile, shape: ModelShape, on: Cluster, seq: float, batch: float) -> Estimate:
    """An estimate corrected by what measured rows of the cluster say of such a configuration (tools/systems/profile.py)."""
    row = RowJob(
        as_job(shape, on, seq, batch, found.layout),
        on.generation,
        on.family,
        "16" if on.dtype in ("bf16", "fp16", "fp32") else on.dtype,
        on.part,
    )
    mean, _ = profile.correct(point_of(row, profile.usual_framework(on.part.id)))
    factor = math.exp(-mean)
    return replace(
        found,
        mfu=found.mfu * factor,
        low=found.low * factor,
        high=min(found.high * factor, max(found.mfu * factor, best_matmul(on.part, on.dtype))),
        tuned=found.tuned * factor,
        step_seconds=found.step_seconds / factor,
        tokens_per_second=found.tokens_per_second * factor,
    )


def typical(
    part_id: str, dtype: str, params: float, n_accelerators: float | None, params_total: float | None, experts: int
) -> Estimate | None:
    """Speed of a designed model of a size at a usual batch: on the devices told, None where no layout fits them; else on 256 or as many as
    it needs. `params` count what a token uses; a mixture tells `params_total` and its experts beside them.
    """
    found = _typical(part_id, dtype, params, n_accelerators, params_total, experts)
    return found[0] if found else None


@functools.lru_cache(1024)
def _typical(
    part_id: str, dtype: str, params: float, n_accelerators: float | None, params_total: float | None, experts: int
) -> tuple[Estimate, ModelShape, Cluster, float, float] | None:
    """A typical run's speed with what it is the speed of: shape, cluster, tokens a sequence, sequences a batch."""
    part = accelerator(part_id)
    devices = n_accelerators or (256.0 if part.fast_domain_size > 1 else 1.0)
    shape = shape_for(None, params_total or params, params if params_total else None, n_experts=experts)
    seq = usual_context(params)
    batch = round(max(devices * 2.0, 1e6 / seq))
    on = cluster(part.id, devices, dtype)
    found = estimate(shape, on, seq, batch)
    if found is None and n_accelerators is None:
        on = cluster(part.id, max(devices, 2.0 ** math.ceil(math.log2((params_total or params) * 24.0 / part.memory_bytes))), dtype)
        batch = round(max(devices * 2.0, 1e6 / seq, on.devices))
        found = estimate(shape, on, seq, batch)
    return (found, shape, on, seq, batch) if found else None


def typical_mfu(
    accelerator_id: str,
    dtype: str = "bf16",
    params: float | None = None,
    n_accelerators: float | None = None,
    profile: Profile | None = None,
) -> tuple[float, float, float, str]:
    """(MFU, low, high, source) to expect on a part for a size, 90% interval; without a size, a model that suits the devices.
    A profile of the cluster corrects it.
    """
    part = accelerator(accelerator_id)
    suits = min(7e9, (n_accelerators or (256.0 if part.fast_domain_size > 1 else 1.0)) * part.memory_bytes / 24.0)
    run = _typical(part.id, dtype, params or suits, n_accelerators, None, 1)
    if run is None:
        low, high = run_interval()
        return 0.3, 0.3 / math.exp(high), 0.3 / math.exp(low), "no layout of this size fits these devices; a common value"
    found = run[0] if profile is None else on_known_cluster(run[0], profile, *run[1:])
    return found.mfu, found.low, found.high, source_of(profile)
