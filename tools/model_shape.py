"""`model_shape`: real layers, width and heads for a size, beside the nearest published models."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.shapes import ModelShape, model, models
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Column, Result, Table, Value
from tools.systems.design import design_shape
from tools.systems.flops import count_params, flops_per_token
from tools.systems.planning import CONTEXT_SOURCE, usual_context


class ModelShapeRequest(ToolRequest):
    """The size a shape is wanted for, or a known model."""

    model: str | None = None
    params_total: float | None = Field(default=None, gt=0)
    params_active: float | None = Field(default=None, gt=0)
    vocab_size: float | None = Field(default=None, ge=2, le=1e7)
    n_experts: float | None = Field(default=None, ge=1)
    experts_per_token: float | None = Field(default=None, ge=1)
    sequence_length: float | None = Field(default=None, ge=1)


@tool(task="model_shape", title="A real shape for the size", needs=(("params_total",), ("model",)))
def model_shape(request: ModelShapeRequest, laws: LawBook) -> Result:
    """Layers, width, heads and MLP of a decoder near a size, its exact parameters and FLOPs per token."""
    del laws
    shape = _shape(request)
    count = count_params(shape)
    seq = request.sequence_length or usual_context(count.active)
    assumed = [] if request.sequence_length else [Assumption(field="sequence_length", value=seq, unit="tokens", source=CONTEXT_SOURCE)]
    return Result(
        tool="model_shape",
        task="model_shape",
        headline=["shape", "params_total"],
        values=_values(shape, seq),
        tables=[_neighbours(count.total)],
        assumptions=assumed,
        reasons=["Width over depth follows published dense models; the MLP's width absorbs what rounding leaves."],
    )


def _shape(request: ModelShapeRequest) -> ModelShape:
    if request.model:
        return model(request.model)
    if request.params_total is None:
        raise InputError("params_total", "no size is told", "give params_total or model")
    return design_shape(
        request.params_total,
        params_active=request.params_active,
        vocab=int(request.vocab_size) if request.vocab_size else None,
        n_experts=int(request.n_experts) if request.n_experts else None,
        experts_per_token=int(request.experts_per_token) if request.experts_per_token else None,
    )


def _values(shape: ModelShape, seq: float) -> dict[str, Value]:
    count, flops = count_params(shape), flops_per_token(shape, seq)
    sizes: dict[str, Any] = {
        "layers": shape.layers,
        "hidden": shape.hidden,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "ffn_hidden": shape.ffn_hidden or shape.expert_ffn_hidden,
        "vocab_size": shape.vocab,
    }
    if shape.n_experts:
        sizes |= {"n_experts": shape.n_experts, "experts_per_token": shape.experts_per_token}
    experts = (
        f", {shape.n_experts} experts of {shape.expert_ffn_hidden}, {shape.experts_per_token} per token"
        if shape.n_experts
        else f", MLP {shape.ffn_hidden}"
    )
    text = (
        f"{shape.layers} layers, width {shape.hidden}, {shape.heads} heads of {shape.head_dim}, "
        f"{shape.kv_heads} key-value heads{experts}, vocabulary {shape.vocab}"
    )
    return {
        "shape": Value(value=text, label="shape", source=shape.source or "proportions of published models of the size"),
        **{name: Value(value=value, label=name.replace("_", " ")) for name, value in sizes.items()},
        "params_total": Value(
            value=count.total,
            unit="params",
            label="all parameters",
            quantity="params_total",
            formula="attention + MLP + tables + norms, summed over the shape",
        ),
        "params_active": Value(value=count.active, unit="params", label="used per token", quantity="params_active"),
        "params_nonembedding": Value(
            value=count.non_embedding, unit="params", label="without vocabulary and position tables", quantity="params_nonembedding"
        ),
        "flops_per_token": Value(
            value=flops.model,
            unit="FLOP/token",
            label="training FLOPs per token, attention and head counted",
            quantity="flops_per_token",
            formula="3 x (2 x matmul params + 2 x width x s x layers, causal)",
            inputs={"sequence_length": seq},
        ),
    }


def _neighbours(total: float) -> Table:
    known = [(entry, entry.params_total or count_params(entry).total) for entry in models().values()]
    nearest = sorted(known, key=lambda pair: abs(math.log(pair[1] / total)))[:4]
    rows: list[list[Any]] = [
        [entry.name, size, entry.layers, entry.hidden, entry.heads, entry.kv_heads, entry.ffn_hidden or entry.expert_ffn_hidden]
        for entry, size in nearest
    ]
    columns = [
        Column(name="model"),
        Column(name="params_total", label="parameters", unit="params"),
        Column(name="layers"),
        Column(name="hidden", label="width"),
        Column(name="heads"),
        Column(name="kv_heads", label="key-value heads"),
        Column(name="ffn", label="MLP width"),
    ]
    return Table(name="neighbours", title="Published models nearest in size", columns=columns, rows=rows)
