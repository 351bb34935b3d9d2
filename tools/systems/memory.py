"""Peak bytes per device of a training step: model states by ZeRO stage, activations by recomputation and schedule, logits, buffers.

Activations follow Korthikanti et al. 2022 (arXiv:2205.05198, eq. 1-6) with grouped queries, gated MLPs and FlashAttention; states follow
Rajbhandari et al. 2020 (arXiv:1910.02054, section 3). Margins are calibrated on measured peaks (knowledge/calibration.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tools.systems.job import Job, Numbers
from tools.systems.step_time import local_params

PARTS: tuple[str, ...] = ("weights", "gradients", "optimizer", "activations", "logits", "gathered", "buffers")
DEFAULT_MARGINS: dict[str, float] = {"states": 1.0, "activations": 1.0, "fixed_bytes": 2.5e9, "fixed_early_bytes": 8e9, "slack": 1.05}


def training_memory(job: Job, margins: Mapping[str, Any] = DEFAULT_MARGINS) -> dict[str, Numbers]:
    """Bytes per device by part (PARTS) and their `total`, fragmentation margin included in `buffers`."""
    weights, gradients, optimizer, gathered = _states(job)
    parts: dict[str, Numbers] = {
        "weights": weights * margins["states"],
        "gradients": gradients * margins["states"],
        "optimizer": optimizer * margins["states"],
        "activations": _activations(job) * margins["activations"],
        "logits": _logits(job) * margins["activations"],
        "gathered": gathered,
    }
    used = sum(parts.values())
    # engines of the time before sequence parallelism hold larger flat and communication buffers
    fixed = np.where(np.asarray(job.sequence_parallel) > 0, margins["fixed_bytes"], margins["fixed_early_bytes"])
    parts["buffers"] = (margins["slack"] - 1.0) * used + fixed
    return {**parts, "total": used + parts["buffers"]}


def _states(job: Job) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Bytes of weights, gradients, optimizer state and of the layers gathered for use under ZeRO-3."""
    plain, routed = local_params(job)
    group = np.maximum(job.shard_group, 1.0)
    routed_group = np.maximum(group * job.tensor / np.maximum(job.expert, 1.0), 1.0)
    stage = np.asarray(job.shard)

    def spread(from_stage: float) -> Numbers:
        return np.where(stage > from_stage - 0.5, plain / group + routed / routed_group, plain + routed)

    stored = np.where((np.asarray(job.trainable) < 0.5) & (np.asarray(job.fp8) + job.fp4 > 0), 1.0, 2.0)  # frozen weights stay quantized
    weights = stored * spread(3.0)
    gradients = job.grad_bytes * spread(2.0) * job.trainable
    optimizer = job.optimizer_bytes * spread(1.0) * job.trainable
    block = (job.params - job.params_embedding) / job.layers / job.tensor
    routed_cut = np.where(job.experts > 1, job.expert, 1.0)
    gathered = np.where(stage > 2.5, 2.0 * 2.0 * block / routed_cut + 2.0 * job.params_embedding / 2.0 / job.tensor, 0.0)
    return weights, gradients, optimizer, gathered


def _activations(job: Job) -> Numbers:
    """Bytes kept for the backward pass on the fullest stage, and the working set of the layer being recomputed."""
    rows = job.micro * job.seq / job.context
    full = np.clip(job.recompute - 1.0, 0.0, 1.0)
    kept = _layer_bytes(job, rows)
    checkpoint = 2.0 * rows * job.hidden / np.where(job.sequence_parallel > 0, job.tensor, 1.0)
    flight = np.minimum(job.pipeline, job.micro_batches)
    interleave = np.where(job.virtual > 1, 1.0 + (job.pipeline - 1) / (job.pipeline * job.virtual), 1.0)
    layers = job.layers / job.pipeline * flight * np.where(job.pipeline > 1, interleave, 1.0)
    # engines without sequence parallelism keep what they received and what they sent for every micro-batch in flight
    passed = np.where((job.pipeline > 1) & (job.sequence_parallel < 0.5), 2.0 * 2.0 * rows * job.hidden * flight, 0.0)
    working = np.where(full > 0, _layer_bytes(job, rows, scores=True), 0.0)
    return layers * ((1 - full) * kept * (1.0 - job.offloaded) + np.maximum(full, job.offloaded) * checkpoint) + working + passed


def _layer_bytes(job: Job, rows: Numbers, scores: bool = False) -> Numbers:
    """Bytes one layer keeps for its backward pass when nothing of it is recomputed but, if selective, the attention core."""
    split = np.where(job.sequence_parallel > 0, job.tensor, 1.0)
    residual = 8.0 * job.hidden / split  # two norm inputs and two norm outputs at 16 bits
    attention = 2.0 * (2.0 * job.heads + 2.0 * job.kv_heads) * job.head_dim / job.tensor
    routed = job.moe_layers / job.layers
    width = (1 - routed) * job.ffn + routed * (job.experts_per_token * job.expert_ffn + job.shared_ffn)
    mlp = 2.0 * (job.mlp_matrices * width / job.tensor + routed * job.experts_per_token * 2.0 * job.hidden / split)
    dense_scores = 5.0 * job.heads * np.minimum(job.seq, job.window) / job.tensor
    keeps = (1.0 if scores else np.clip(1.0 - job.recompute, 0.0, 1.0)) * np.where(job.flash > 0, 0.0, 1.0)
    return rows * (residual + attention + mlp + dense_scores * keeps)


def _logits(job: Job) -> Numbers:
    """Logits at 16 and 32 bits and their gradients; a chunked loss keeps one chunk in eight."""
    rows = job.micro * job.seq / job.context
    return rows * job.vocab / job.tensor * 12.0 * np.where(job.fused_loss > 0, 0.125, 1.0)
