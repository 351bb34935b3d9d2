"""From a model, a cluster and a batch to jobs: what a plan assumes where the question is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape, model
from tools.systems.design import design_shape
from tools.systems.flops import attention_params, count_params, mean_span, mlp_matrices
from tools.systems.job import Job
from tools.systems.parts import CORES, generation_of, sustained

DTYPES: tuple[str, ...] = ("bf16", "fp16", "fp8", "fp4", "fp32")
# optimizer -> bytes of master weight and states per parameter
OPTIMIZER_BYTES: dict[str, float] = {
    "adamw": 12.0,  # fp32 master weight, two fp32 moments
    "adamw-bf16": 4.0,  # moments at 16 bits, no master copy
    "adamw-8bit": 6.0,  # fp32 master weight, two 8-bit moments (Dettmers et al. 2021, arXiv:2110.02861)
    "adafactor": 4.1,  # fp32 master weight, factored second moment (Shazeer and Stern 2018, arXiv:1804.04235)
    "muon": 8.0,  # fp32 master weight, one fp32 momentum
    "sgd": 8.0,
}


@dataclass(frozen=True)
class Cluster:
    """Devices a run has. Rates are per device; a two-core package counts as two devices."""

    part: Accelerator
    devices: float
    dtype: str = "bf16"
    family: str = "megatron-core"

    @property
    def generation(self) -> str:
        """Architecture generation of the part."""
        return generation_of(self.part.id)

    def fields(self) -> dict[str, float]:
        """Device fields of a job."""
        cores = float(CORES.get(self.part.id, 1))
        part = self.part
        node = float(part.fast_domain_size)
        return {
            "devices": self.devices * cores,
            "peak": part.peak(self.dtype) * sustained(part) / cores,
            "peak16": part.peak("bf16") * sustained(part) / cores,
            "memory": part.memory_bytes / cores,
            "bandwidth": part.memory_bandwidth_bytes_per_s / cores,
            "link_in": max(part.intra_node_bytes_per_s, 1e9) / cores,
            "link_out": max(part.inter_node_bytes_per_s, 1e9) / cores,
            "domain": node * cores,
            "fp8": float(self.dtype == "fp8"),
            "fp4": float(self.dtype == "fp4"),
        }


def cluster(name: str, devices: float, dtype: str = "bf16") -> Cluster:
    """A cluster of a known part. Raises InputError for an unknown part or dtype."""
    part = accelerator(name)
    if dtype not in DTYPES:
        raise InputError("dtype", f"{dtype!r} is not a training precision", f"use one of {', '.join(DTYPES)}")
    return Cluster(
        part, devices, dtype, "xla" if part.vendor.lower() == "google" else "neuron" if "trainium" in part.id else "megatron-core"
    )


CONTEXT_SOURCE = "usual pretraining context for the size"


def usual_context(params_active: float) -> float:
    """Tokens of a usual pretraining context for a size, where none is stated."""
    return 4096.0 if params_active > 3e9 else 2048.0


def shape_for(
    name: str | None,
    params_total: float | None,
    params_active: float | None = None,
    vocab: int | None = None,
    n_experts: float | None = None,
    experts_per_token: float | None = None,
) -> ModelShape:
    """The known model of a name, else a designed shape of the size; one expert is none. Raises InputError when neither is given."""
    if name:
        return model(name)
    if params_total is None:
        raise InputError("params_total", "no model is named and no size is given", "give params_total or a known model")
    experts = int(n_experts) if n_experts is not None and n_experts > 1 else None
    chosen = int(experts_per_token) if experts and experts_per_token else None
    return design_shape(params_total, params_active=params_active, vocab=vocab, n_experts=experts, experts_per_token=chosen)


def model_fields(shape: ModelShape, seq: float) -> dict[str, float]:
    """Model fields of a job."""
    count = count_params(shape)
    into, out = attention_params(shape)
    routed = float(shape.moe_layers)
    kv_heads = shape.kv_heads if shape.mla is None else max(1.0, (shape.mla.kv_lora_rank + shape.mla.rope_head_dim) / 2.0 / shape.head_dim)
    return {
        "layers": float(shape.layers),
        "hidden": float(shape.hidden),
        "heads": float(shape.heads),
        "kv_heads": float(kv_heads),
        "head_dim": float(shape.head_dim),
        "ffn": float(shape.ffn_hidden or shape.expert_ffn_hidden),
        "mlp_matrices": float(mlp_matrices(shape)),
        "vocab": float(shape.vocab),
        "params": count.total,
        "params_routed": count.routed,
        "params_embedding": count.embedding,
        "moe_layers": routed,
        "experts": float(max(shape.n_experts, 1)),
        "experts_per_token": float(max(shape.experts_per_token, 1)),
        "shared_ffn": float(shape.n_shared_experts * shape.expert_ffn_hidden),
        "expert_ffn": float(max(shape.expert_ffn_hidden, 1)),
        "window": float(min(seq, 2.0 * mean_span(shape, seq))),
        "attention_in": float(into),
        "attention_out": float(out),
        "seq": float(seq),
    }


def training_job(shape: ModelShape, on: Cluster, seq: float, batch: float, layout: Mapping[str, Any], optimizer: str = "adamw") -> Job:
    """A job of a model on a cluster; `layout` holds tensor, pipeline, virtual, data, context, expert, shard, recompute and
    micro (scalars or arrays).
    """
    if optimizer not in OPTIMIZER_BYTES:
        raise InputError("optimizer", f"{optimizer!r} is not known", f"use one of {', '.join(OPTIMIZER_BYTES)}")
    extra = {
        "virtual": 1.0,
        "context": 1.0,
        "expert": 1.0,
        "shard": 1.0,
        "recompute": 0.0,
        "micro": 1.0,
        "pipeline": 1.0,
        "tensor": 1.0,
        **layout,
    }
    extra.setdefault("shard_group", np.asarray(extra["data"]) * extra["context"])
    return Job(
        **model_fields(shape, seq),
        **on.fields(),
        **extra,
        batch=batch,
        sequence_parallel=1.0,
        flash=1.0,
        early_flash=0.0,
        generic_flash=0.0,
        optimizer_bytes=OPTIMIZER_BYTES[optimizer],
        # sharded data parallelism reduces and keeps gradients at 16 bits, Megatron accumulates at 32
        grad_bytes=np.where(np.asarray(extra["shard"]) > 2.5, 2.0, 4.0 if optimizer == "adamw" else 2.0),
    )
