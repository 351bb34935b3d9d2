"""Serving estimates: throughput, latency and memory of a model on a number of accelerators, with an interval from unseen measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.hardware import Accelerator
from knowledge.shapes import ModelShape
from tools.systems.kv_cache import serving_shape
from tools.systems.parts import generation_of
from tools.systems.serving_case import OUTPUT, PROMPT, RESERVE, Case, Precision, fits, flat, layouts, replica
from tools.systems.serving_efficiency import calibration, efficiencies
from tools.systems.serving_interval import LEVEL, interval
from tools.systems.serving_load import throughput
from tools.systems.serving_rows import case_of
from tools.systems.serving_time import Replica, cache_of, held_sequences

SOURCE = "serving roofline calibrated on published measurements (knowledge/serving_calibration.yaml)"
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
USUAL_TPOT = 0.1  # s per token: ten tokens a second, about what people read


@dataclass(frozen=True)
class Load:
    """What is asked of a deployment; `cached` are prompt tokens already in the cache.

    `concurrency` None: as many requests as memory and latency allow.
    """

    prompt: float = PROMPT
    output: float = OUTPUT
    concurrency: float | None = None
    tpot_limit: float = math.inf
    cached: float = 0.0


@dataclass(frozen=True)
class Serving:
    """An estimate. Rates are of all copies together, seconds are per user, bytes per device."""

    output_tokens_per_s: float
    low: float
    high: float
    tpot_s: float  # one decode step
    tpot_loaded_s: float  # with the prompts of other users in between
    ttft_s: float
    batch: float  # sequences in flight on all copies
    batch_limit: float  # most sequences memory holds on all copies
    devices: float
    ranks: float  # devices a copy is cut over
    copies: float
    expert_parallel: bool
    weight_bytes: float  # per device
    cache_bytes: float  # per device, at the batch
    parts: dict[str, float]  # seconds of one decode step by cause
    familiarity: str
    family: str

    @property
    def factors(self) -> tuple[float, float]:
        """Interval as factors on the rate."""
        return self.low / self.output_tokens_per_s, self.high / self.output_tokens_per_s


def default_family(part: Accelerator) -> str:
    """Serving software that is usual on a part and that the calibration knows."""
    if part.kind in ("trainium", "inferentia"):
        return "neuron"
    if part.kind == "gaudi":
        return "deepspeed"
    if part.vendor == "NVIDIA":
        return "llama.cpp" if part.id.startswith("rtx-") and part.id not in ("rtx-pro-6000", "rtx-6000-ada") else "tensorrt-llm"
    return "vllm-2025"


@dataclass(frozen=True)
class Deployment:
    """A model on a number of accelerators under a load; `family` None is the usual software of the part."""

    shape: ModelShape
    part: Accelerator
    devices: float
    how: Precision
    load: Load
    family: str | None = None


def estimate(shape: ModelShape, part: Accelerator, devices: float, how: Precision, load: Load, family: str | None = None) -> Serving:
    """Throughput and latency on `devices` accelerators in the layout that serves the load best.

    Raises InputError when the weights do not fit.
    """
    served = estimate_many([Deployment(shape, part, devices, how, load, family)])[0]
    if served is None:
        problem = _too_small(replica(shape, part, how, devices), part, devices)
        raise InputError("n_accelerators", problem, f"at least {fewest_devices(shape, part, how)} are needed")
    return served


def estimate_many(wanted: Sequence[Deployment]) -> list[Serving | None]:
    """Estimates of many deployments in one pass, much faster than one by one; None where the weights do not fit."""
    cases = [_case(one) for one in wanted]
    fitting = [case for case in cases if case.replicas]
    if not fitting:
        return [None] * len(cases)
    one, columns, starts = flat(fitting)
    counts = [len(case.replicas) for case in fitting]
    cached = [min(want.load.cached, max(want.load.prompt - 1.0, 0.0)) for want, case in zip(wanted, cases, strict=True) if case.replicas]
    columns["cached"] = np.repeat(np.array(cached), counts)
    values = [efficiencies(case.part_id, case.family) for case in fitting]
    eff = {name: np.repeat(np.array([value[name] for value in values]), counts) for name in values[0]}
    out = throughput(one, eff, columns)
    out["loaded"] = out["step"] + out["prefill"] / columns["output"]
    spans = iter(zip(starts, counts, strict=True))
    return [_best(case, want.devices, out, *next(spans)) if case.replicas else None for want, case in zip(wanted, cases, strict=True)]


def _case(want: Deployment) -> Case:
    """A deployment as a case; one without replicas where the weights do not fit."""
    part, how, load, view = want.part, want.how, want.load, serving_shape(want.shape)
    options: list[tuple[float, Replica]] = []
    for across in (False, True):  # beyond one node only where one node does not hold the weights
        sizes = layouts(part, want.devices, view, across=across)
        options = options or [(ranks, one) for ranks, spread in sizes if fits(one := replica(view, part, how, ranks, spread=spread))]
    return Case(
        replicas=tuple(one for _, one in options),
        copies=tuple(float(want.devices // ranks) for ranks, _ in options),
        prompt=load.prompt,
        output=load.output,
        batch=math.nan if load.concurrency is None else load.concurrency,
        tpot_limit=load.tpot_limit,
        deadline=False,
        decode_only=False,
        generation=generation_of(part.id),
        family=want.family or default_family(part),
        regime="open" if load.concurrency is None else "batch-1" if load.concurrency <= 1 else "load",
        part_id=part.id,
    )


def _best(case: Case, devices: float, out: Mapping[str, Any], start: int, count: int) -> Serving:
    """The candidate with the highest rate among those within the latency limit, or the fastest per token where none is."""
    span = slice(start, start + count)
    within = out["loaded"][span] <= case.tpot_limit * 1.001
    k = int(np.argmax(np.where(within, out["output_tokens_per_s"][span], -out["step"][span])))
    i, chosen, copies = start + k, case.replicas[k], case.copies[k]
    low, high, known = interval(case, calibration())
    value, batch = float(out["output_tokens_per_s"][i]), float(out["batch"][i])
    devices_each = chosen.ranks * chosen.stages
    return Serving(
        output_tokens_per_s=value,
        low=value * low,
        high=value * high,
        tpot_s=float(out["step"][i]),
        tpot_loaded_s=float(out["loaded"][i]),
        ttft_s=float(out["first"][i]),
        batch=batch * copies,
        batch_limit=float(out["limit"][i]) * copies,
        devices=devices,
        ranks=float(chosen.ranks),
        copies=copies,
        expert_parallel=chosen.spread > 0,
        weight_bytes=float(chosen.stored_bytes) / devices_each,
        cache_bytes=batch * float(cache_of(chosen, case.prompt + case.output / 2)) / devices_each,
        parts={name: float(seconds[i]) for name, seconds in out["parts"].items()},
        familiarity=known,
        family=case.family,
    )


def _too_small(one: Replica, part: Accelerator, devices: float) -> str:
    return (
        f"weights of {one.stored_bytes / 1e9:.3g} GB do not fit in {devices:g} x {part.memory_bytes / 1e9:.3g} GB of {part.id}, "
        f"{RESERVE:.0%} of it kept for buffers"
    )


def fewest_devices(shape: ModelShape, part: Accelerator, how: Precision, *, context: float = 0.0, sequences: float = 1.0) -> int:
    """Fewest accelerators whose memory holds the weights and the cache of `sequences` sequences of `context` tokens.

    Raises InputError above 128.
    """
    view = serving_shape(shape)
    for count in _SIZES:
        one = replica(view, part, how, float(count), spread=1.0 if view.experts > 1 and count > 1 else 0.0)
        if fits(one) and (context <= 0 or float(held_sequences(one, context)) >= sequences):
            return count
    raise InputError("params_total", f"the model does not fit in {_SIZES[-1]} x {part.id}", "use fewer bits or a larger accelerator")


def interactive(shape: ModelShape, part: Accelerator, devices: float, how: Precision, load: Load, family: str | None = None) -> Load:
    """The load with the usual limit per token where neither a limit nor a concurrency is stated and the machine can keep it."""
    if load.concurrency is not None or math.isfinite(load.tpot_limit):
        return load
    bound = replace(load, tpot_limit=USUAL_TPOT)
    return bound if estimate(shape, part, devices, how, bound, family).tpot_loaded_s <= USUAL_TPOT * 1.001 else load


def devices_for_rate(
    shape: ModelShape, part: Accelerator, how: Precision, load: Load, rate: float, family: str | None = None
) -> tuple[int, Serving]:
    """Fewest accelerators that give `rate` output tokens/s within the load's latency limit, as copies of the best small deployment.

    Returns the count and the deployment. Raises InputError when no deployment of up to 8 devices, or as many as the weights need,
    keeps the latency.
    """
    smallest = fewest_devices(shape, part, how)
    open_load = replace(load, concurrency=None)
    counts = [count for count in _SIZES if smallest <= count <= max(8, smallest)]
    trials = [one for one in estimate_many([Deployment(shape, part, count, how, open_load, family) for count in counts]) if one]
    able = [trial for trial in trials if trial.tpot_loaded_s <= load.tpot_limit * 1.001]
    if not able:
        fastest = min(trials, key=lambda trial: trial.tpot_s)
        raise InputError(
            "latency_ms_per_token",
            f"{part.id} needs {fastest.tpot_s * 1e3:.3g} ms per token even for one user on {fastest.devices:g}",
            "allow more time, fewer bits, or use an accelerator with more memory bandwidth",
        )
    totals = [(math.ceil(rate / trial.output_tokens_per_s - 1e-9) * int(trial.devices), trial) for trial in able]
    return min(totals, key=lambda pair: pair[0])


def predict_row(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """(output tokens/s, low, high) at 90% for a row of the serving table's schema; measured columns are never read.

    Raises InputError only when the model cannot be told at all (no known name and no params_total).
    """
    case = case_of(row)
    one, columns, _ = flat([case])
    out = throughput(one, efficiencies(case.part_id, case.family), columns)
    value = float(np.max(out["output_tokens_per_s"]))
    low, high, _ = interval(case, calibration())
    return value, value * low, value * high


__all__ = [
    "LEVEL",
    "SOURCE",
    "USUAL_TPOT",
    "Deployment",
    "Load",
    "Serving",
    "default_family",
    "devices_for_rate",
    "estimate",
    "estimate_many",
    "fewest_devices",
    "interactive",
    "predict_row",
]
