"""Serving estimates: throughput, latency and memory of a model on a number of accelerators, with an interval from unseen measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


def estimate(shape: ModelShape, part: Accelerator, devices: float, how: Precision, load: Load, family: str | None = None) -> Serving:
    """Throughput and latency on `devices` accelerators in the layout that serves the load best.

    Raises InputError when the weights do not fit.
    """
    family = family or default_family(part)
    view = serving_shape(shape)
    options = [(ranks, spread) for ranks, spread in layouts(part, devices, view) if fits(replica(view, part, how, ranks, spread=spread))]
    if not options:
        raise InputError(
            "n_accelerators",
            _too_small(replica(view, part, how, devices), part, devices),
            f"at least {fewest_devices(shape, part, how)} are needed",
        )
    case = Case(
        replicas=tuple(replica(view, part, how, ranks, spread=spread) for ranks, spread in options),
        copies=tuple(float(devices // ranks) for ranks, _ in options),
        prompt=load.prompt,
        output=load.output,
        batch=math.nan if load.concurrency is None else load.concurrency,
        tpot_limit=load.tpot_limit,
        deadline=False,
        decode_only=False,
        generation=generation_of(part.id),
        family=family,
        regime=_regime(load.concurrency),
        part_id=part.id,
    )
    return _best(case, load, options, devices)


def _regime(concurrency: float | None) -> str:
    return "open" if concurrency is None else "batch-1" if concurrency <= 1 else "load"


def _best(case: Case, load: Load, options: list[tuple[float, float]], devices: float) -> Serving:
    """The candidate with the highest rate among those within the latency limit, or the fastest per token where none is."""
    one, columns, _ = flat([case])
    columns["cached"] = np.full(len(options), min(load.cached, max(load.prompt - 1.0, 0.0)))
    out = throughput(one, efficiencies(case.part_id, case.family), columns)
    loaded = out["step"] + out["prefill"] / load.output
    rate = np.where(loaded <= load.tpot_limit * 1.001, out["output_tokens_per_s"], -out["step"])
    i = int(np.argmax(rate))
    low, high, known = interval(case, calibration())
    chosen, copies = case.replicas[i], case.copies[i]
    value, batch = float(out["output_tokens_per_s"][i]), float(out["batch"][i])
    devices_each = chosen.ranks * chosen.stages
    return Serving(
        output_tokens_per_s=value,
        low=value * low,
        high=value * high,
        tpot_s=float(out["step"][i]),
        tpot_loaded_s=float(loaded[i]),
        ttft_s=float(out["first"][i]),
        batch=batch * copies,
        batch_limit=float(out["limit"][i]) * copies,
        devices=devices,
        ranks=options[i][0],
        copies=copies,
        expert_parallel=options[i][1] > 0,
        weight_bytes=float(chosen.stored_bytes) / devices_each,
        cache_bytes=batch * float(cache_of(chosen, load.prompt + load.output / 2)) / devices_each,
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

    Returns the count and the deployment.     Raises InputError when no deployment of up to 8 devices, or as many as the weights need, keeps the latency.
    """
    smallest = fewest_devices(shape, part, how)
    trials = [
        estimate(shape, part, count, how, replace(load, concurrency=None), family)
        for count in _SIZES
        if smallest <= count <= max(8, smallest)
    ]
    able = [trial for trial in trials if trial.tpot_loaded_s <= load.tpot_limit * 1.001]
    if not able:
        fastest = min(trials, key=lambda trial: trial.tpot_s)
        raise InputError(
            "latency_ms_per_token",
            f"{part.id} needs {fastest.tpot_s * 1e3:.3g} ms per token even for one user on {fastest.devices:g}",
            "allow more time, fewer bits, or use an accelerator with more memory bandwidth",
        )
    counts = [(math.ceil(rate / trial.output_tokens_per_s - 1e-9) * int(trial.devices), trial) for trial in able]
    return min(counts, key=lambda pair: pair[0])


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
    "Load",
    "Serving",
    "default_family",
    "devices_for_rate",
    "estimate",
    "fewest_devices",
    "interactive",
    "predict_row",
]
