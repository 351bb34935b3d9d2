"""Throughput and latency of replicas under a load: the batch memory and latency allow, and what it yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tools.systems.serving_case import MAX_BATCH, take
from tools.systems.serving_time import Efficiencies, Numbers, Replica, held_sequences, prefill_seconds, request_seconds, step_seconds

_OVERCOMMIT = 0.5  # sequences are at all stages of their answers, so the mean context is the prompt and half of the answer


def batch_limit(replica: Replica, prompt: Numbers, output: Numbers) -> Numbers:
    """Most sequences one replica keeps in flight: cache memory at the mean context, and what a scheduler admits. At least 1."""
    held = held_sequences(replica, prompt + _OVERCOMMIT * output)
    admitted = MAX_BATCH * np.where(replica.spread > 0, replica.ranks, 1.0)
    return np.clip(held, 1.0, admitted)


def within_latency(replica: Replica, eff: Efficiencies, limit: Numbers, ceiling: Numbers, prompt: Numbers, output: Numbers) -> Numbers:
    """Largest batch up to `ceiling` whose seconds per token and user, prompts of others included, are within `limit`; 1 where none is."""
    low, high = np.ones_like(ceiling), np.asarray(ceiling, dtype=float)
    for _ in range(14):  # bisection in logs: 2048 to within 0.1%
        middle = np.sqrt(low * high)
        ok = request_seconds(replica, eff, middle, prompt, output) / output <= limit
        low, high = np.where(ok, middle, low), np.where(ok, high, middle)
    fits = request_seconds(replica, eff, ceiling, prompt, output) / output <= limit
    return np.where(fits, ceiling, low)


def throughput(replica: Replica, eff: Efficiencies, load: Mapping[str, Numbers]) -> dict[str, Any]:
    """Output tokens/s of `copies` replicas, with batch per replica, seconds per token and user, seconds to the first token.

    `load`: prompt, output, batch (over all copies; nan is as many as fit), tpot_limit, deadline, decode_only, copies, and cached where
    part of the prompt is already in the cache.
    """
    prompt, output, copies = load["prompt"], load["output"], load["copies"]
    limit = batch_limit(replica, prompt, output)
    wanted = np.asarray(load["batch"], dtype=float) / copies
    batch = np.where(np.isnan(wanted), limit, np.minimum(np.maximum(wanted, 1.0), limit))
    batch = _limited(replica, eff, load, batch)
    parts = step_seconds(replica, eff, batch, prompt + output / 2.0)
    step = parts["total"]
    cached = load.get("cached", 0.0)
    prefill = prefill_seconds(replica, eff, batch, prompt - cached, cached)
    first = prefill_seconds(replica, eff, 1.0, prompt - cached, cached)
    seconds = output * step + np.where(load["decode_only"] > 0, 0.0, prefill)
    busy = np.minimum(np.where(np.isnan(wanted), copies, load["batch"]), copies)  # a single request keeps one copy busy
    rate = batch * output / seconds * busy * np.where(load["deadline"] > 0, eff["deadline"], 1.0)
    return {"output_tokens_per_s": rate, "batch": batch, "step": step, "prefill": prefill, "first": first, "limit": limit, "parts": parts}


def _limited(replica: Replica, eff: Efficiencies, load: Mapping[str, Numbers], batch: Numbers) -> Numbers:
    """The batch cut to the latency limit, where there is one."""
    bound = np.isfinite(load["tpot_limit"])
    if not np.any(bound):
        return batch
    if np.ndim(bound) == 0:
        return within_latency(replica, eff, load["tpot_limit"], batch, load["prompt"], load["output"])
    rows = np.flatnonzero(bound)
    some = {name: np.broadcast_to(value, bound.shape)[rows] for name, value in eff.items()}
    cut = within_latency(take(replica, rows), some, load["tpot_limit"][rows], batch[rows], load["prompt"][rows], load["output"][rows])
    batch = batch.copy()
    batch[rows] = cut
    return batch
