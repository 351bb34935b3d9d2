"""`parallel_scaling`: what parallel streams through one model are worth in parameters, and under a memory limit."""

from __future__ import annotations

from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import arithmetic, table
from tools._named_law import uses_laws
from tools.convert import in_words
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Table, Value

LAW = "chen2025_parscale"
_STREAMS = (2, 4, 8)
_TOKENS = 42e9  # all runs of the paper


class ParallelScalingRequest(ToolRequest):
    """A model size or a memory limit; fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    memory_bytes: float | None = Field(default=None, gt=0)
    weight_bits: float | None = Field(default=None, gt=0)
    streams: float | None = Field(default=None, ge=1, description="parallel streams P")
    law: str | None = None


@tool(task="parallel_scaling", title="What parallel streams are worth")
@uses_laws(LAW)
def parallel_scaling(request: ParallelScalingRequest, laws: LawBook) -> Result:
    """Equivalent size and loss gain of P parallel streams (Chen et al. 2025), on general text and on code as the two ends."""
    assumptions: list[Assumption] = []
    values: dict[str, Value] = {}
    N = request.params_total
    if N is None and request.memory_bytes is None:
        return _multiples(request, laws)
    if N is None:
        bits = request.weight_bits or 16.0
        if request.weight_bits is None:
            assumptions.append(Assumption(field="weight_bits", value=16, unit="bits", source="bf16 weights"))
        N = (request.memory_bytes or 0.0) * 8 / bits
        values["params_total"] = arithmetic(
            N,
            "largest model whose weights fit",
            "params",
            "params_total",
            "8 memory / bits",
            inputs={"memory_bytes": request.memory_bytes, "weight_bits": bits},
        )
    streams = (request.streams,) if request.streams is not None else _STREAMS
    for P in streams:
        values |= _worth(laws, N, P)
    headline = [f"equivalent_params_{P:g}_streams" for P in reversed(streams)]
    return Result(
        tool="parallel_scaling",
        task="parallel_scaling",
        headline=[*(["params_total"] if "params_total" in values else []), *headline],
        values=values,
        tables=[_table(laws, N)],
        assumptions=assumptions,
        warnings=_warnings(request),
        reasons=[
            "Streams share the weights, so they cost compute instead of memory; their worth grows with the logarithm of their number."
            + (
                " Under a memory limit streams are the way to go beyond the largest model that fits."
                if request.params_total is None
                else ""
            )
        ],
    )


def _multiples(request: ParallelScalingRequest, laws: LawBook) -> Result:
    """What streams multiply the parameters by, whatever their number: general text as the value, code as the other end."""
    values: dict[str, Value] = {}
    rows: list[list[float]] = []
    for P in (request.streams,) if request.streams is not None else _STREAMS:
        text, code = (evaluate(laws.get(LAW), "equivalent", {"N": 1e9, "P": P}, v).values["N_multiple"] for v in ("pile", "stack"))
        ends = sorted((text.number, code.number))
        told = {"label": f"times its params that a model with {P:g} streams is worth", "low": ends[0], "high": ends[1]}
        values[f"multiple_{P:g}_streams"] = text.model_copy(
            update={**told, "interval_basis": "general text (the Pile) to code (Stack-V2-Python)", "inputs": {"P": P}}
        )
        rows.append([float(P), text.number, code.number])
    columns = {"streams": ("streams", ""), "text": ("worth, general text", ""), "code": ("worth, code", "")}
    return Result(
        tool="parallel_scaling",
        task="parallel_scaling",
        headline=list(reversed(values)),
        values=values,
        tables=[table("multiples", "What streams multiply the parameters by", columns, [list(row) for row in rows])],
        warnings=_warnings(request),
        reasons=["The multiple grows with the logarithm of the number of streams and does not depend on the size."],
    )


def _worth(laws: LawBook, N: float, P: float) -> dict[str, Value]:
    """Equivalent size and loss gain of P streams: general text as the value, code as the other end of the range."""
    card = laws.get(LAW)
    pile, code = (evaluate(card, "equivalent", {"N": N, "P": P}, variant).values["N_equivalent"] for variant in ("pile", "stack"))
    gains = [
        evaluate(card, "loss", {"N": N, "P": 1}, v).values["L"].number - evaluate(card, "loss", {"N": N, "P": P}, v).values["L"].number
        for v in ("pile", "stack")
    ]
    equivalent = pile.model_copy(
        update={
            "label": f"size that {P:g} streams are worth",
            "low": min(pile.number, code.number),
            "high": max(pile.number, code.number),
            "interval_basis": "general text (the Pile) to code (Stack-V2-Python)",
        }
    )
    gain = arithmetic(
        gains[0],
        f"loss that {P:g} streams gain on general text",
        "nats/token",
        "loss_difference",
        "L(N, 1) - L(N, P)",
        pile.source,
        law=LAW,
        relation="loss",
        variant="pile",
        inputs={"N": N, "P": P},
        outside=pile.outside,
        note=f"{gains[1]:.3g} on code",
    )
    return {f"equivalent_params_{P:g}_streams": equivalent, f"loss_gain_{P:g}_streams": gain}


def _table(laws: LawBook, N: float) -> Table:
    card = laws.get(LAW)
    rows: list[list[float]] = []
    for P in (1, *_STREAMS):
        found = [
            evaluate(card, relation, {"N": N, "P": P}, variant).values[key].number
            for relation, key in (("equivalent", "N_equivalent"), ("loss", "L"))
            for variant in ("pile", "stack")
        ]
        rows.append([float(P), *found, float(P)])
    columns = {
        "streams": ("streams", ""),
        "equivalent_text": ("worth, general text", "params"),
        "equivalent_code": ("worth, code", "params"),
        "loss_text": ("loss, the Pile", "nats/token"),
        "loss_code": ("loss, code", "nats/token"),
        "compute": ("compute per token, times", ""),
    }
    return table("by_streams", f"What streams are worth for {in_words(N, 'params')} parameters", columns, [list(row) for row in rows])


def _warnings(request: ParallelScalingRequest) -> list[Notice]:
    notices = [
        Notice(
            level="info",
            source=LAW,
            text="Streams cost about as many times the compute per token, in training and serving "
            "alike; at batch 1 decoding hides it, at batch 8 no longer.",
        )
    ]
    if request.tokens is not None and request.tokens > 2 * _TOKENS:
        notices.insert(
            0,
            Notice(
                level="caution",
                source=LAW,
                text="The law has no term for data: all its runs saw 42B tokens, so at "
                f"{in_words(request.tokens, 'tokens')} tokens it is a guess by analogy.",
            ),
        )
    return notices
