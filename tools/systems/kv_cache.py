"""Bytes a model takes while it serves: weights, the weights one step reads, and the key-value cache.

Bits below 16 keep their scales: a group of 32 to 128 weights shares one 16-bit scale, so 4-bit formats store 4.25 to 4.85 bits a weight;
the caller gives the stored bits. Tables (input embedding, output layer, router, norms) stay at 16 bits in the formats in use.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.shapes import ModelShape
from tools.systems.flops import ParamCount, attention_width, count_params, mlp_matrices


@dataclass(frozen=True)
class ServingShape:
    """What serving time and memory depend on; parameters per model, cache values per token."""

    layers: float
    hidden: float
    kv_heads: float  # ranks the cache can be split over; MLA has one latent vector
    always: float  # parameters every step reads: attention, dense and shared MLPs, router
    routed: float  # parameters of all routed experts
    experts: float
    chosen: float
    head: float  # parameters of the output layer
    tables: float  # parameters of all vocabulary and position tables
    active: float  # parameters multiplied per token, output layer excluded
    cache_values: float  # cached numbers per token, layers that keep the whole context
    window_values: float  # cached numbers per token, windowed layers
    window: float  # tokens a windowed layer keeps
    attention: float  # query-key plus value width over all heads and layers, for FLOPs

    @property
    def params(self) -> float:
        """All parameters."""
        return self.always + self.routed + self.tables


def serving_shape(shape: ModelShape) -> ServingShape:
    """The serving view of an architecture."""
    count: ParamCount = count_params(shape)
    head = float(shape.vocab * shape.hidden)
    per_layer = _cache_values(shape)
    routed_active = shape.moe_layers * shape.experts_per_token * mlp_matrices(shape) * shape.hidden * shape.expert_ffn_hidden
    return ServingShape(
        layers=float(shape.layers),
        hidden=float(shape.hidden),
        kv_heads=1.0 if shape.mla else float(shape.kv_heads),
        always=count.total - count.embedding - count.routed,
        routed=count.routed,
        experts=float(max(shape.n_experts, 1)),
        chosen=float(max(shape.experts_per_token, 1)),
        head=head,
        tables=count.embedding,
        active=count.total - count.embedding - count.routed + routed_active,
        cache_values=per_layer * (shape.layers - shape.windowed_layers),
        window_values=per_layer * shape.windowed_layers,
        window=float(shape.sliding_window or 0),
        attention=2.0 * attention_width(shape) * shape.layers,
    )


def _cache_values(shape: ModelShape) -> float:
    """Numbers one layer caches per token: keys and values of every kv head, or MLA's latent vector and rotary key."""
    if shape.mla is not None:
        return float(shape.mla.kv_lora_rank + shape.mla.rope_head_dim)
    return 2.0 * shape.kv_heads * shape.head_dim


def kv_bytes_per_token(shape: ModelShape, kv_bits: float = 16) -> float:
    """Cache bytes one more token of context takes, all layers, before any window is full."""
    return _cache_values(shape) * shape.layers * kv_bits / 8


def kv_bytes(shape: ModelShape, context: float, kv_bits: float = 16) -> float:
    """Cache bytes of one sequence of `context` tokens."""
    view = serving_shape(shape)
    return (view.cache_values * context + view.window_values * min(context, view.window)) * kv_bits / 8


def weight_bytes(shape: ModelShape, weight_bits: float = 16) -> float:
    """Bytes of all weights: matrices at `weight_bits`, vocabulary and position tables at 16 bits (or more, if the weights have more)."""
    count = count_params(shape)
    return ((count.total - count.embedding) * weight_bits + count.embedding * max(weight_bits, 16.0)) / 8


__all__ = ["ServingShape", "kv_bytes", "kv_bytes_per_token", "serving_shape", "weight_bytes"]
