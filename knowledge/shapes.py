"""Transformer shapes: the one type every estimate takes, and the known models, read from models.yaml when first asked for."""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from knowledge._catalogue import Catalogue

_CATALOGUE = Catalogue("models.yaml", "model", "give params_total instead, or a known name such as llama-3-70b")


class LatentAttention(BaseModel):
    """Multi-head latent attention (DeepSeek-V2, section 2.1): one compressed vector a token instead of keys and values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kv_lora_rank: int = Field(gt=0)
    q_lora_rank: int | None = Field(default=None, gt=0, description="None: queries are not compressed")
    rope_head_dim: int = Field(gt=0)
    nope_head_dim: int = Field(gt=0)
    v_head_dim: int = Field(gt=0)


class ModelShape(BaseModel):
    """The architecture of a decoder, as far as parameters, FLOPs and memory depend on it. Sizes are counts, not bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str = ""
    name: str = ""
    aliases: tuple[str, ...] = ()
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    ffn_hidden: int = Field(ge=0, description="width of the dense MLP")
    gated_mlp: bool = Field(default=True, description="three matrices (SwiGLU, GeGLU) instead of two")
    vocab: int = Field(gt=0)
    tied_embeddings: bool = False
    learned_positions: int = Field(default=0, ge=0, description="rows of a learned position table")
    n_experts: int = Field(default=0, ge=0, description="routed experts of an MoE layer; 0 is a dense model")
    experts_per_token: int = Field(default=0, ge=0)
    n_shared_experts: int = Field(default=0, ge=0)
    expert_ffn_hidden: int = Field(default=0, ge=0)
    dense_layers: int = Field(default=0, ge=0, description="layers of an MoE that keep a dense MLP")
    sliding_window: int | None = Field(default=None, gt=0, description="tokens a windowed layer attends to")
    sliding_window_layers: int | None = Field(default=None, ge=0, description="how many layers are windowed; None is all of them")
    mla: LatentAttention | None = None
    other_params: float = Field(default=0, ge=0, description="parameters outside attention, MLP, router and vocabulary")
    params_total: float | None = Field(default=None, gt=0, description="as published")
    params_active: float | None = Field(default=None, gt=0, description="per token, as published")
    params_tolerance: float = Field(
        default=0.005, gt=0, description="how far the exact count may be from the published one; see note where wider"
    )
    training_tokens: float | None = Field(default=None, gt=0)
    context: int | None = Field(default=None, gt=0)
    status: Literal["confirmed", "recalled", "derived"] = "derived"
    source: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> ModelShape:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.n_experts and not (0 < self.experts_per_token <= self.n_experts and self.expert_ffn_hidden > 0):
            raise ValueError("an MoE needs 0 < experts_per_token <= n_experts and expert_ffn_hidden > 0")
        if self.dense_layers > self.layers or (self.sliding_window_layers or 0) > self.layers:
            raise ValueError("dense_layers and sliding_window_layers cannot exceed layers")
        return self

    @property
    def moe_layers(self) -> int:
        """Layers with routed experts."""
        return self.layers - self.dense_layers if self.n_experts else 0

    @property
    def windowed_layers(self) -> int:
        """Layers that attend within the sliding window only."""
        if self.sliding_window is None:
            return 0
        return self.layers if self.sliding_window_layers is None else self.sliding_window_layers


def _fields(model_id: str) -> dict[str, Any]:
    fields = _CATALOGUE.raw(model_id)
    base = fields.pop("like", None)
    if base is None:
        return fields
    inherited = {key: value for key, value in _fields(base).items() if key not in ("aliases", "note")}
    return inherited | fields


@functools.cache
def _model(model_id: str) -> ModelShape:
    return ModelShape.model_validate({"id": model_id, **_fields(model_id)})


@functools.cache
def models() -> dict[str, ModelShape]:
    """Every known model by id."""
    return {key: _model(key) for key in _CATALOGUE}


@functools.lru_cache(1024)
def model(name: str) -> ModelShape:
    """A model by id or any usual spelling ("llama 3 70b"); raises InputError with the nearest ids when there is none."""
    return _model(model_id(name))


def model_id(name: str) -> str:
    """The id a spelling stands for; raises InputError."""
    return _CATALOGUE.resolve(name, "models")
