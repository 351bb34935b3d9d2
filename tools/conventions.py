"""What a parameter count counts: from all parameters to those without vocabulary tables, by an assumed shape or a known one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.shapes import ModelShape, model
from tools.forms._solve import bisect
from tools.result import Assumption

# Hidden size over depth of common decoders, 98 to 128 from GPT-3 to LLaMA 65B; the loss is flat around it (Kaplan et al. 2020, figure 5).
WIDTH_PER_LAYER = 128.0


def nonembedding_from_total(params_total: Any, vocab: Any, tied: bool = False, width_per_layer: float = WIDTH_PER_LAYER) -> Any:
    """Params without vocabulary tables from all params: N = 12 d^3/width_per_layer + (1 or 2) vocab d solved for d.

    Assumes a standard decoder (12 L d^2, Kaplan et al. 2020, table 1) with one table of `vocab` rows, two when not tied.
    """
    total, rows = np.asarray(params_total, float), np.asarray(vocab, float) * (1 if tied else 2)

    def excess(width: Any) -> Any:
        return 12 * width**3 / width_per_layer + rows * width - total

    width = bisect(excess, 0.0, (total * width_per_layer / 12) ** (1 / 3))
    return 12 * width**3 / width_per_layer


@dataclass(frozen=True)
class ParamCounts:
    """One model in every count a law may want, by quantity kind, and how the counts were arrived at."""

    by_kind: dict[str, float]
    assumption: Assumption

    @property
    def nonembedding(self) -> float:
        """Params without vocabulary tables; every expert counted."""
        return self.by_kind["params_total_nonembedding"]


def param_counts(
    params_total: float,
    vocab: float | None = None,
    model_name: str | None = None,
    params_active: float | None = None,
    params_nonembedding: float | None = None,
) -> ParamCounts:
    """A size in every convention: exact for a known model or a designed shape's `params_nonembedding`, else by an assumed shape where the
    vocabulary is stated, else the number as it stands.
    """
    if model_name is not None:
        shape = model(model_name)
        total = shape.params_total or params_total
        body = total - embedding_params(shape)
        head = float(shape.vocab * shape.hidden)
        return _counts(total, body, body + head, shape.params_active or params_active, f"shape of {shape.name or shape.id}")
    if params_nonembedding is not None and params_nonembedding < params_total:
        half = (params_total + params_nonembedding) / 2
        return _counts(params_total, params_nonembedding, half, params_active, "the size less the tables of the shape designed for it")
    if vocab is not None:
        body = float(nonembedding_from_total(params_total, vocab))
        source = "stated size less two vocabulary tables, hidden size 128 times the depth (tools.conventions)"
        return _counts(params_total, body, body + (params_total - body) / 2, params_active, source)
    source = "the stated size taken without vocabulary tables, as the laws count; state the vocabulary to have it converted"
    return _counts(params_total, params_total, params_total, params_active, source)


def _counts(total: float, body: float, with_head: float, active: float | None, source: str) -> ParamCounts:
    """Counts from all params, those without vocabulary tables and those with the output table alone; `source` says how they were arrived at."""
    embedding = total - body
    used = active or total
    return ParamCounts(
        {
            "params_total": total,
            "params": total,
            "params_total_nonembedding": body,
            "params_nonembedding": body,
            "params_without_input_embedding": with_head,
            "params_active": used,
            "params_active_nonembedding": max(used - embedding, 1.0),
        },
        Assumption(field="params_nonembedding", value=body, unit="params", source=source),
    )


def embedding_params(shape: ModelShape) -> float:
    """Params of a known shape's vocabulary and position tables."""
    return float(shape.vocab * shape.hidden * (1 if shape.tied_embeddings else 2) + shape.learned_positions * shape.hidden)
