"""One training step as numbers: a model's shape, how it is cut over devices, and the devices it runs on.

Every field is a scalar or an array; arrays broadcast, so that one call prices one layout, a table of rows, or a whole search.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64] | float


@dataclass(frozen=True)
class Job:
    """A training step. Symbols of the papers in brackets; a device is one accelerator, or one core of a two-core package."""

    # model
    layers: Numbers  # [L]
    hidden: Numbers  # [d]
    heads: Numbers  # [h]
    kv_heads: Numbers  # [k]
    head_dim: Numbers  # [e]
    ffn: Numbers  # [f] of a dense layer
    mlp_matrices: Numbers  # 3 gated, 2 plain
    vocab: Numbers  # [V]
    params: Numbers  # [N] all parameters
    params_routed: Numbers  # parameters in routed experts (0 for a dense model)
    params_embedding: Numbers  # vocabulary and position tables
    moe_layers: Numbers  # layers whose MLP is routed
    experts: Numbers  # [E], 1 for a dense model
    experts_per_token: Numbers  # [K]
    shared_ffn: Numbers  # width of the shared experts of a routed layer
    expert_ffn: Numbers  # [f_e]
    window: Numbers  # average span of keys a query sees at most (the sequence length, unless some layers use a sliding window)
    attention_in: Numbers  # parameters of the projections into attention (Q, K, V, and the low-rank ones), per layer
    attention_out: Numbers  # parameters of the output projection, per layer
    # step
    seq: Numbers  # [s]
    batch: Numbers  # [B] sequences per optimizer step
    micro: Numbers  # [b] sequences per micro-batch
    # layout
    tensor: Numbers  # [t]
    pipeline: Numbers  # [p]
    virtual: Numbers  # [v] stages per device
    data: Numbers  # [D]
    context: Numbers  # [c]
    expert: Numbers  # [x]
    shard: Numbers  # ZeRO stage 0..3 (FSDP full shard is 3)
    shard_group: Numbers  # devices over which states are sharded (D, or fewer for hybrid sharding)
    recompute: Numbers  # 0 none, 1 selective (attention core), 2 full; fractions between for custom policies
    sequence_parallel: Numbers  # 1 when norms and residuals are split over t
    flash: Numbers  # 1 when scores are never written to memory
    early_flash: Numbers  # 1 for kernels of the first FlashAttention
    generic_flash: Numbers  # 1 for portable kernels on parts that reward their own (FlashAttention-2 on Hopper and later)
    # devices
    devices: Numbers  # [G]
    peak: Numbers  # [P] FLOP/s of the matmul dtype
    peak16: Numbers  # FLOP/s at 16 bits (attention, logits)
    memory: Numbers  # bytes
    bandwidth: Numbers  # [W] bytes/s
    link_in: Numbers  # bytes/s in the fast domain, one direction
    link_out: Numbers  # bytes/s between nodes, per device, one direction
    domain: Numbers  # devices in the fast domain
    grad_bytes: Numbers = 4.0  # bytes of a gradient in the reduction
    fp8: Numbers = 0.0  # 1 when matrix products run at 8 bits
    fp4: Numbers = 0.0
    optimizer_bytes: Numbers = 12.0  # optimizer state per parameter (master weight and two moments at 32 bits)
    trainable: Numbers = 1.0  # share of parameters with gradients (LoRA: near 0)
    offloaded: Numbers = 0.0  # 1 when what a layer keeps goes to the host
    fused_loss: Numbers = 0.0  # 1 when logits are computed in chunks

    @property
    def micro_batches(self) -> Numbers:
        """Micro-batches per pipeline and step [m]; below 1 where a table gives tokens of fewer sequences than ranks (its rate
        is then meant).
        """
        return self.batch / (self.micro * self.data)

    @property
    def tokens(self) -> Numbers:
        """Tokens per optimizer step."""
        return self.batch * self.seq

    def with_(self, **changes: Any) -> Job:
        """The same job with some fields changed."""
        return replace(self, **changes)

    def take(self, index: Any) -> Job:
        """Rows of a table of jobs."""
        size = max(np.size(getattr(self, name)) for name in FIELDS)
        picked = {name: np.broadcast_to(getattr(self, name), (size,))[index] for name in FIELDS}
        return Job(**picked)


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Job))


def stack(jobs: list[Job]) -> Job:
    """Many scalar jobs as one job of arrays."""
    return Job(**{name: np.array([float(getattr(job, name)) for job in jobs]) for name in FIELDS})
