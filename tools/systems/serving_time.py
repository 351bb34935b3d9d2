"""Seconds of prefill and decode on one replica: rooflines of weights, cache and arithmetic, collectives and host work.

All quantities are floats or arrays that broadcast, so that one function serves a question, a table of measurements and the calibration.
Pope et al. 2022 (arXiv:2211.05102, sections 2 and 3) lay out the same terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Numbers = Any  # float or array of floats
Efficiencies = Mapping[str, Numbers]

# Two resources that overlap in part: t = (a^p + b^p)^(1/p); p = 1 is no overlap, infinity a perfect roofline.
_OVERLAP = 3.0


@dataclass(frozen=True)
class Replica:
    """One copy of a model on `ranks` devices. Rates and memory are per device, bytes of the model are of the whole replica."""

    layers: Numbers
    hidden: Numbers
    kv_heads: Numbers
    always_bytes: Numbers  # weights every step reads: attention, dense and shared MLPs, router, output layer
    routed_bytes: Numbers
    stored_bytes: Numbers  # all weights in memory
    experts: Numbers
    chosen: Numbers
    active: Numbers  # parameters multiplied per token, output layer excluded
    head: Numbers  # parameters of the output layer
    cache_bytes: Numbers  # per token, layers that keep the whole context
    window_bytes: Numbers  # per token, windowed layers
    window: Numbers
    attention: Numbers  # query-key plus value width over heads and layers
    ranks: Numbers  # devices that work on one token together
    stages: Numbers  # pipeline stages after each other; each has `ranks` devices
    spread: Numbers  # 1 where attention is data parallel and experts are spread over the ranks, 0 where tensors are cut
    peak: Numbers  # FLOP/s of the products' dtype
    peak16: Numbers
    bandwidth: Numbers
    memory: Numbers
    link: Numbers  # bytes/s to the other ranks, one direction
    narrow: Numbers  # 1 where products run in 8 bits
    narrower: Numbers  # 1 where products run in 4 bits
    unpacked: Numbers  # 1 where weights are stored narrower than the products' dtype (weight-only quantization)


def _overlapped(first: Numbers, second: Numbers) -> Numbers:
    return (first**_OVERLAP + second**_OVERLAP) ** (1.0 / _OVERLAP)


def touched_share(experts: Numbers, chosen: Numbers, tokens: Numbers) -> Numbers:
    """Share of the experts a step reads when `tokens` tokens each choose `chosen` of them, evenly routed: 1 - (1 - k/E)^q."""
    return 1.0 - np.maximum(1.0 - chosen / experts, 0.0) ** tokens


def cache_of(replica: Replica, context: Numbers) -> Numbers:
    """Cache bytes of one sequence of `context` tokens."""
    return replica.cache_bytes * context + replica.window_bytes * np.minimum(context, replica.window)


def cache_ranks(replica: Replica) -> Numbers:
    """Ranks the cache is split over: a kv head cannot be cut, but sequences can be dealt out where attention is data parallel."""
    return np.where(replica.spread > 0, replica.ranks, np.minimum(replica.ranks, replica.kv_heads))


def step_seconds(replica: Replica, eff: Efficiencies, batch: Numbers, context: Numbers) -> dict[str, Numbers]:
    """Parts of one decode step of `batch` sequences at `context` tokens and their `total`; `weights` overlaps `read` and `products`."""
    ranks = replica.ranks
    share = touched_share(replica.experts, replica.chosen, batch)
    # where attention is data parallel each rank reads the whole of it for its own sequences; the experts are split either way
    read = replica.always_bytes / np.where(replica.spread > 0, 1.0, ranks) + replica.routed_bytes * share / ranks / eff["scatter"]
    bandwidth = replica.bandwidth * eff["bandwidth"] * np.where(replica.unpacked > 0, eff["unpack"], 1.0)
    products = 2.0 * (replica.active + replica.head) * batch / ranks / (_rate(replica, eff) * eff["compute"])
    weights = _overlapped(read / bandwidth, products)
    cache = batch * cache_of(replica, context) / cache_ranks(replica) / (replica.bandwidth * eff["cache"])
    collectives = _collective_seconds(replica, eff, batch)
    host = eff["host"] + replica.layers * eff["launch"] * np.where(replica.experts > 1, eff["routing"], 1.0) + batch * eff["sequence"]
    return {
        "weights": weights,
        "cache": cache,
        "collectives": collectives,
        "host": host,
        "read": read / bandwidth,
        "products": products,
        "total": weights + cache + collectives + host,
    }


def prefill_seconds(replica: Replica, eff: Efficiencies, prompts: Numbers, length: Numbers, cached: Numbers = 0.0) -> Numbers:
    """Seconds to read `prompts` prompts of `length` new tokens together after `cached` kept ones (causal: half of the pairs)."""
    tokens = prompts * length
    rate = _rate(replica, eff) * eff["prefill"]
    matmul = 2.0 * replica.active * tokens / replica.ranks / rate
    read = (replica.always_bytes + replica.routed_bytes * touched_share(replica.experts, replica.chosen, tokens)) / replica.ranks
    scores = replica.attention * tokens * (length + 2.0 * cached) / replica.ranks / (replica.peak16 * eff["prefill"] * 0.6)
    return (
        _overlapped(matmul, read / (replica.bandwidth * eff["bandwidth"]))
        + scores
        + _collective_seconds(replica, eff, tokens)
        + eff["host"]
        + replica.layers * eff["launch"]
    )


def _rate(replica: Replica, eff: Efficiencies) -> Numbers:
    """FLOP/s of the products with the losses of narrow formats and of many small expert products."""
    narrow = np.where(replica.narrow > 0, eff["narrow"], 1.0) * np.where(replica.narrower > 0, eff["narrow"] * eff["narrower"], 1.0)
    return replica.peak * narrow * np.where(replica.experts > 1, eff["grouped"], 1.0)


def _collective_seconds(replica: Replica, eff: Efficiencies, tokens: Numbers) -> Numbers:
    """Two all-reduces per layer of 16-bit activations (or the all-to-alls of routed experts, of like volume)."""
    ranks = replica.ranks
    volume = 2.0 * replica.layers * 2.0 * 2.0 * tokens * replica.hidden * (ranks - 1.0) / ranks
    volume = volume / np.where(replica.spread > 0, ranks / 2.0, 1.0)
    latency = 2.0 * replica.layers * eff["reduce"] * np.log2(np.maximum(ranks, 1.0))
    return np.where(ranks > 1, latency + volume / (replica.link * eff["link"]), 0.0)


def held_sequences(replica: Replica, context: Numbers, reserve: float = 0.08) -> Numbers:
    """Sequences of `context` tokens whose cache fits beside the weights, `reserve` kept for buffers; below 0 the weights do not fit."""
    devices = replica.ranks * replica.stages
    free = replica.memory * devices * (1.0 - reserve) - replica.stored_bytes
    split = np.where(
        replica.spread > 0, 1.0, np.maximum(replica.ranks / replica.kv_heads, 1.0)
    )  # a kv head is copied to ranks beyond their number
    return free / (cache_of(replica, context) * split)


def request_seconds(replica: Replica, eff: Efficiencies, batch: Numbers, prompt: Numbers, output: Numbers) -> Numbers:
    """Seconds in which `batch` sequences are read and answered: all prompts, then `output` steps at the mean context."""
    return prefill_seconds(replica, eff, batch, prompt) + output * step_seconds(replica, eff, batch, prompt + output / 2.0)["total"]
