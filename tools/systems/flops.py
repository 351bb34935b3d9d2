"""Exact parameters and FLOPs of a transformer from its shape: grouped queries, gated MLPs, routed and shared experts, tied tables,
sliding windows and multi-head latent attention.

Conventions: a multiply-add is 2 FLOP; backward is twice forward; the input table is a lookup (0 FLOP); the output layer counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.shapes import ModelShape


@dataclass(frozen=True)
class ParamCount:
    """Parameters of a model: all, used per token, and without vocabulary and position tables."""

    total: float
    active: float
    embedding: float  # input and output tables and learned positions
    routed: float  # in routed experts, all of them
    matmul_active: float  # multiplied per token: everything but input table, positions, norms

    @property
    def non_embedding(self) -> float:
        """All parameters without vocabulary and position tables."""
        return self.total - self.embedding


def moe_layers(shape: ModelShape) -> int:
    """Layers whose MLP is routed."""
    return shape.moe_layers


def attention_params(shape: ModelShape) -> tuple[float, float]:
    """Parameters of one layer's attention: (into it, out of it). MLA: low-rank queries and keys (DeepSeek-V2,
    arXiv:2405.04434, section 2.1).
    """
    d, h, e = shape.hidden, shape.heads, shape.head_dim
    if shape.mla is None:
        return d * e * (h + 2 * shape.kv_heads), h * e * d
    m = shape.mla
    per_head = m.nope_head_dim + m.rope_head_dim
    query = d * m.q_lora_rank + m.q_lora_rank * h * per_head if m.q_lora_rank else d * h * per_head
    key_value = d * (m.kv_lora_rank + m.rope_head_dim) + m.kv_lora_rank * h * (m.nope_head_dim + m.v_head_dim)
    return query + key_value, h * m.v_head_dim * d


def mlp_matrices(shape: ModelShape) -> int:
    """Weight matrices of an MLP: 3 gated (gate, up, down), 2 plain."""
    return 3 if shape.gated_mlp else 2


def count_params(shape: ModelShape) -> ParamCount:
    """Parameters of a shape. Norm weights count (2 d per layer); biases do not, nor multi-token-prediction modules."""
    d, g = shape.hidden, mlp_matrices(shape)
    routed_layers = moe_layers(shape)
    dense_layers = shape.layers - routed_layers
    attention = shape.layers * sum(attention_params(shape))
    dense = dense_layers * g * d * shape.ffn_hidden
    expert = g * d * shape.expert_ffn_hidden
    shared = routed_layers * shape.n_shared_experts * expert
    router = routed_layers * d * shape.n_experts
    routed = routed_layers * shape.n_experts * expert
    routed_active = routed_layers * shape.experts_per_token * expert
    tables = shape.vocab * d * (1 if shape.tied_embeddings else 2)
    positions = (shape.learned_positions or 0) * d
    norms = (2 * shape.layers + 1) * d
    common = attention + dense + shared + router
    common += shape.other_params
    total = common + routed + tables + positions + norms
    return ParamCount(
        total=total,
        active=total - routed + routed_active,
        embedding=tables + positions,
        routed=routed,
        matmul_active=common + routed_active + shape.vocab * d,
    )


@dataclass(frozen=True)
class FlopsPerToken:
    """Training FLOPs per token by part; `forward` counts no recomputation."""

    forward_matmul: float
    forward_attention: float
    forward_head: float
    recompute: float

    @property
    def forward(self) -> float:
        """FLOPs of the forward pass."""
        return self.forward_matmul + self.forward_attention + self.forward_head

    @property
    def model(self) -> float:
        """Forward and backward: the FLOPs of MFU."""
        return 3.0 * self.forward

    @property
    def hardware(self) -> float:
        """With what is recomputed: the FLOPs of HFU."""
        return self.model + self.recompute


def flops_per_token(shape: ModelShape, seq: float, *, causal: bool = True, recompute: str = "none") -> FlopsPerToken:
    """FLOPs per token at a sequence length. `causal` counts only pairs a query may see (half at full attention); `recompute`:
    none, selective, full.
    """
    count = count_params(shape)
    head = 2.0 * shape.vocab * shape.hidden
    matmul = 2.0 * count.matmul_active - head
    attention = 4.0 * attention_width(shape) * mean_span(shape, seq, causal=causal) * shape.layers
    repeated = {"none": 0.0, "selective": attention, "full": matmul + attention}[recompute]
    return FlopsPerToken(matmul, attention, head, repeated)


def attention_width(shape: ModelShape) -> float:
    """Mean of the query-key and value widths over all heads: scores and values cost 4 x this x keys per token and layer."""
    if shape.mla is None:
        return shape.heads * shape.head_dim
    return shape.heads * (shape.mla.nope_head_dim + shape.mla.rope_head_dim + shape.mla.v_head_dim) / 2.0


def mean_span(shape: ModelShape, seq: float, *, causal: bool = True) -> float:
    """Keys a query attends to, averaged over positions and layers. A window w over s tokens sees w - w^2/(2 s) on average."""
    full = seq / 2.0 if causal else seq
    window = float(shape.sliding_window or 0)
    if not window or window >= seq:
        return full
    local = window - window * window / (2.0 * seq) if causal else window
    share = shape.windowed_layers / shape.layers
    return share * local + (1.0 - share) * full
