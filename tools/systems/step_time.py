"""Seconds per optimizer step: a roofline of the matrix products, attention and memory-bound operations of one micro-batch, collectives by
topology, the pipeline bubble, and what of the data-parallel traffic stays exposed.

Volumes: Narayanan et al. 2021 (arXiv:2104.04473) for tensor and pipeline parallel, Korthikanti et al. 2022 (arXiv:2205.05198) for sequence
parallel and recomputation, Rajbhandari et al. 2020 (arXiv:1910.02054) for ZeRO. Efficiencies: knowledge/calibration.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tools.systems.job import Job, Numbers

Efficiencies = Mapping[str, Any]
_SMOOTH = 4.0  # order of the norm that stands for "the larger of two overlapping times"
_LATENCY = 12e-6  # s, start of one collective


def step_seconds(job: Job, eff: Efficiencies) -> Numbers:
    """Seconds of one optimizer step."""
    return components(job, eff)["total"]


def components(job: Job, eff: Efficiencies) -> dict[str, Numbers]:
    """Seconds per step by cause; they add up to `total`."""
    stage = job.layers / job.pipeline
    micro = job.micro_batches
    matmul, attention, elementwise = _layer_seconds(job, eff)
    head = (
        _head_seconds(job, eff) / job.pipeline
    )  # stages other than the last wait for it, and it is balanced against embedding-free stages
    launch = eff["launch"] * stage * (1 + 1.5 * (job.shard > 2.5) + eff["launch_routed"] * job.moe_layers / job.layers) * _passes(job)
    tensor = stage * _tensor_seconds(job, eff)
    context = stage * _context_seconds(job, eff, attention)
    expert = (job.moe_layers / job.pipeline) * _expert_seconds(job, eff)
    compute = stage * (matmul + attention + elementwise) + head
    busy = compute + tensor + context + expert
    per_micro = _norm(busy, launch)
    exposed_pipeline = (job.pipeline > 1) * eff["pipeline_exposed"] * _pipeline_seconds(job, eff)
    scale = 1 + eff["straggle"] * np.log2(np.maximum(1.0, job.devices / 8.0))
    bubble = (job.pipeline - 1) / job.virtual * (per_micro + exposed_pipeline)
    optimizer = _optimizer_seconds(job, eff)
    data = _data_seconds(job, eff, per_micro * micro, per_micro)
    steady = micro * (per_micro + exposed_pipeline)
    total = (steady + bubble + data + optimizer) * scale + eff["fixed"]
    return {
        "matmul": micro * stage * matmul,
        "attention": micro * stage * attention,
        "elementwise": micro * stage * elementwise,
        "head": micro * head,
        "launch": micro * (per_micro - busy),
        "tensor_parallel": micro * tensor,
        "context_parallel": micro * context,
        "expert_parallel": micro * expert,
        "pipeline_transfer": micro * exposed_pipeline,
        "pipeline_bubble": bubble,
        "data_parallel": data,
        "optimizer": optimizer,
        "stragglers": total - (steady + bubble + data + optimizer),
        "total": total,
    }


def _norm(first: Numbers, second: Numbers) -> Numbers:
    larger = np.maximum(first, second)
    return larger * ((first / larger) ** _SMOOTH + (second / larger) ** _SMOOTH) ** (1 / _SMOOTH)


def _passes(job: Job) -> Numbers:
    """Forward passes' worth of matrix products: 1 forward, 1 for input gradients, 1 for weight gradients where weights train,
    and what is recomputed.
    """
    return 2.0 + job.trainable + np.clip(job.recompute - 1.0, 0.0, 1.0)


def _matmul(job: Job, eff: Efficiencies, rows: Numbers, wide: Numbers, deep: Numbers, peak: Numbers, efficiency: Numbers) -> Numbers:
    """Seconds of a product [rows, deep] x [deep, wide]: FLOPs at the part's ceiling plus the bytes of its three matrices."""
    flops = 2.0 * rows * wide * deep
    traffic = 1 / rows + 1 / wide + 1 / deep
    return flops * (1 / (peak * efficiency) + eff["traffic"] * traffic / job.bandwidth)


def _layer_seconds(job: Job, eff: Efficiencies) -> tuple[Numbers, Numbers, Numbers]:
    rows = job.micro * job.seq / job.context
    efficiency = eff["matmul"] * np.where(job.fp8 > 0, eff["fp8"], 1.0) * np.where(job.fp4 > 0, eff["fp4"], 1.0)
    efficiency = efficiency / (1 + eff["misaligned"] * _misaligned(job))
    into = _matmul(job, eff, rows, job.attention_in / job.hidden / job.tensor, job.hidden, job.peak, efficiency)
    out = _matmul(job, eff, rows, job.hidden, job.attention_out / job.hidden / job.tensor, job.peak, efficiency)
    dense = _mlp_seconds(job, eff, rows, job.ffn, efficiency)
    routed_share = job.moe_layers / job.layers
    matmul = into + out + (1 - routed_share) * dense
    matmul = matmul + np.where(routed_share > 0, routed_share * _routed_seconds(job, eff, rows, efficiency), 0.0)
    return _passes(job) * matmul, _attention_seconds(job, eff, rows), _elementwise_seconds(job, eff, rows)


def _misaligned(job: Job) -> Numbers:
    """1 when a head or a shard of the hidden size is not a multiple of 64, which tensor cores pad (NVIDIA matmul guide)."""
    shard = np.asarray(job.hidden) / job.tensor
    return np.where((np.mod(shard, 64) > 0.5) | (np.mod(job.head_dim, 32) > 0.5), 1.0, 0.0)


def _mlp_seconds(job: Job, eff: Efficiencies, rows: Numbers, width: Numbers, efficiency: Numbers) -> Numbers:
    shard = np.maximum(width / job.tensor, 1.0)
    up = _matmul(job, eff, rows, (job.mlp_matrices - 1) * shard, job.hidden, job.peak, efficiency)
    return up + _matmul(job, eff, rows, job.hidden, shard, job.peak, efficiency)


def _routed_seconds(job: Job, eff: Efficiencies, rows: Numbers, efficiency: Numbers) -> Numbers:
    """A routed MLP: experts see rows K x / E each, E / x of them per device; the shared part is a plain MLP."""
    per_expert = np.maximum(rows * job.experts_per_token * job.expert / job.experts, 1.0)
    local = job.experts / job.expert
    grouped = local * _mlp_seconds(job, eff, per_expert, job.expert_ffn, efficiency * eff["grouped"])
    shared = np.where(job.shared_ffn > 0, _mlp_seconds(job, eff, rows, np.maximum(job.shared_ffn, 1.0), efficiency), 0.0)
    # permutation and combination of routed rows: read and written about 4 times
    permute = 8.0 * 2.0 * rows * job.experts_per_token * job.hidden * eff["elementwise"] / job.bandwidth
    return grouped + shared + permute


def _attention_seconds(job: Job, eff: Efficiencies, rows: Numbers) -> Numbers:
    """Causal attention. Flash: half the pairs, backward 2.5 forwards (Dao 2023, arXiv:2307.08691). Plain: all pairs, scores
    through memory.
    """
    span = np.minimum(job.seq, job.window)
    width = job.heads * job.head_dim / job.tensor
    forward = 2.0 * rows * span * width * 2.0
    again = np.clip(job.recompute - 0.0, 0.0, 1.0)  # selective and full recompute both repeat the scores
    pairs = np.where(span < job.seq, 1.0, 0.5)
    reached = eff["attention"] * eff["early_flash"] ** job.early_flash * eff["generic_flash"] ** job.generic_flash * _head_fill(job)
    flash = pairs * forward * (3.5 + np.clip(job.recompute - 1.0, 0.0, 1.0)) / (job.peak16 * reached)
    scores = rows * span * job.heads / job.tensor
    plain = (
        forward * (3.0 + again) / (job.peak16 * eff["matmul"] * 0.6)
        + 2.0 * scores * (14.0 + 7.0 * again) * eff["elementwise"] / job.bandwidth
    )
    return np.where(job.flash > 0, flash, plain)


def _head_fill(job: Job) -> Numbers:
    """Narrow heads leave matrix units idle: 64 wide reaches about 0.8 of 128 wide."""
    return np.minimum(1.0, (np.asarray(job.head_dim) / 128.0) ** 0.3)


def _elementwise_seconds(job: Job, eff: Efficiencies, rows: Numbers) -> Numbers:
    """Norms, residuals, activation function, rotary positions: bytes over memory bandwidth."""
    split = np.where(job.sequence_parallel > 0, job.tensor, 1.0)
    routed = job.moe_layers / job.layers
    width = (1 - routed) * job.ffn + routed * (job.experts_per_token * job.expert_ffn + job.shared_ffn)
    values = rows * (
        12.0 * job.hidden / split + 3.0 * (job.heads * job.head_dim) / job.tensor + (job.mlp_matrices + 0.5) * width / job.tensor
    )
    return 2.0 * values * _passes(job) * eff["elementwise"] * np.where(job.fp8 > 0, eff["cast"], 1.0) / job.bandwidth


def _head_seconds(job: Job, eff: Efficiencies) -> Numbers:
    """Output layer and loss of one micro-batch, logits kept at 32 bits unless the loss is fused."""
    rows = job.micro * job.seq / job.context
    shard = job.vocab / job.tensor
    product = 3.0 * _matmul(job, eff, rows, shard, job.hidden, job.peak16, eff["matmul"])
    return product + rows * shard * 20.0 * eff["elementwise"] / job.bandwidth


def _group_rate(job: Job, eff: Efficiencies, size: Numbers, inner: Numbers) -> Numbers:
    """Bytes/s of a ring over `size` devices, each `inner` apart: members in one fast domain share that domain's network ports."""
    inside = np.maximum(1.0, job.domain / inner)
    fast = job.link_in * np.minimum(eff["link_in"], 1.0)
    slow = np.minimum(job.link_out * np.minimum(eff["link_out"], 1.0) * np.minimum(inside, size), fast)
    return np.where(size * inner <= job.domain, fast, slow)


def _tensor_seconds(job: Job, eff: Efficiencies) -> Numbers:
    """Four all-reduces of the layer's activations (two more when recomputed), or the gathers and scatters that replace them."""
    t = np.asarray(job.tensor, dtype=float)
    size = job.micro * job.seq / job.context * job.hidden * 2.0
    count = 4.0 + 2.0 * np.clip(job.recompute - 1.0, 0.0, 1.0)
    volume = 2.0 * size * (t - 1) / t / _group_rate(job, eff, t, 1.0)
    return np.where(t > 1, count * (volume * eff["tensor_exposed"] + _LATENCY), 0.0)


def _context_seconds(job: Job, eff: Efficiencies, attention: Numbers) -> Numbers:
    """Ring attention's keys and values, forward and backward, where attention is too short to hide them (Liu et al., arXiv:2310.01889)."""
    c = np.asarray(job.context, dtype=float)
    block = 2.0 * 2.0 * job.micro * job.seq / c * job.kv_heads * job.head_dim / np.minimum(job.tensor, job.kv_heads)
    moved = (3.0 + np.clip(job.recompute - 1.0, 0.0, 1.0)) * block * (c - 1) / _group_rate(job, eff, c, job.tensor)
    return np.where(c > 1, _norm(attention, moved + 1e-12) - attention + 0.25 * moved + 4 * _LATENCY, 0.0)


def _expert_seconds(job: Job, eff: Efficiencies) -> Numbers:
    """Two all-to-alls forward and two backward of the routed rows."""
    x = np.asarray(job.expert, dtype=float)
    rows = job.micro * job.seq / job.context / np.where(job.sequence_parallel > 0, job.tensor, 1.0)
    share = np.clip((x * job.tensor - job.domain) / (x * job.tensor), 0.0, 1.0)  # rows that leave the fast domain
    sent = rows * job.experts_per_token * job.hidden * 2.0
    inside = sent * (x - 1) / x / (job.link_in * np.minimum(eff["link_in"], 1.0))
    outside = sent * share / (job.link_out * np.minimum(eff["link_out"], 1.0))
    count = 4.0 + 2.0 * np.clip(job.recompute - 1.0, 0.0, 1.0)
    return np.where((x > 1) & (job.experts > 1), count * ((inside + outside) * eff["expert_exposed"] + 2 * _LATENCY), 0.0)


def _pipeline_seconds(job: Job, eff: Efficiencies) -> Numbers:
    """Activations to the next stage and gradients back, once per virtual stage."""
    size = 2.0 * job.micro * job.seq / job.context * job.hidden
    span = job.tensor * job.context * job.data * job.pipeline
    rate = np.where(span <= job.domain, job.link_in * np.minimum(eff["link_in"], 1.0), job.link_out * np.minimum(eff["link_out"], 1.0))
    split = np.where(job.sequence_parallel > 0, job.tensor, 1.0)
    return 2.0 * job.virtual * (size / split / rate + _LATENCY)


def local_params(job: Job) -> tuple[Numbers, Numbers]:
    """Parameters held per device before sharding over data: (shared by all data ranks, routed experts)."""
    cut = job.tensor * job.pipeline
    routed_cut = np.maximum(job.expert * job.pipeline, 1.0)
    return (job.params - job.params_routed) / cut, job.params_routed / routed_cut


def _optimizer_seconds(job: Job, eff: Efficiencies) -> Numbers:
    plain, routed = local_params(job)
    over = np.where(job.shard > 0.5, np.maximum(job.shard_group, 1.0), 1.0)
    routed_over = np.where(job.shard > 0.5, np.maximum(job.shard_group * job.tensor / job.expert, 1.0), 1.0)
    moved = (plain / over + routed / routed_over) * job.trainable * (2.0 * job.optimizer_bytes + 10.0)
    return eff["optimizer"] * moved / job.bandwidth


def _data_seconds(job: Job, eff: Efficiencies, whole: Numbers, last: Numbers) -> Numbers:
    """Exposed part of gradient reduction and weight gathering. Backward of the last micro-batch hides it; ZeRO-3 can hide
    behind every one.
    """
    ranks = np.asarray(job.data * np.where(job.shard > 2.5, job.context, 1.0), dtype=float)
    plain, routed = local_params(job)
    local = (plain + routed * np.where(job.expert > 1, np.minimum(1.0, 1.0 / np.maximum(job.data / job.expert, 1.0)), 1.0)) * job.trainable
    full = job.shard > 2.5
    spread = (ranks - 1) / ranks
    rate = _group_rate(job, eff, ranks, job.tensor * job.context)
    once = (job.grad_bytes + np.where(job.shard > 0.5, 2.0, job.grad_bytes)) * local * spread / rate
    gathered = job.micro_batches * (2.0 * 2.0 + 2.0) * local * spread / rate
    moved = np.where(full, gathered, once)
    window = np.where(full, whole, 0.6 * last) * eff["overlap_window"]
    hidden = _norm(moved + 1e-12, window) - window
    exposed = eff["data_exposed"] * moved + (1 - eff["data_exposed"]) * hidden
    return np.where(ranks > 1, exposed + eff["ring_latency"] * ranks, 0.0)
