"""`quantize`: what quantizing the weights after training costs, what it saves, and which widths fit a memory."""

from __future__ import annotations

import math

from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools._rules import Rule, alternatives, apply, rule_for
from tools.conventions import ParamCounts, param_counts
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

WIDTHS = (8.0, 6.0, 5.0, 4.0, 3.0)
GROUP = 128.0  # weights per scale of common 4-bit formats
TOKENS_PER_PARAM = 20.0  # Hoffmann et al. 2022, table A3
_KUMAR = Rule("kumar2024_precision", "ptq_degradation", "delta_PTQ", note="exponential in the bits, fitted at 3 bits and more")
_OUYANG = Rule("ouyang2024_qid", "degradation", "dq_loss", note="power of the bits, fitted at 2 to 4 bits")
_FILES = ("file_q8_0", "file_q6_k", "file_q5_k_m", "file_q4_k_m", "file_q4_k_s", "file_iq4_xs", "file_q3_k_m", "file_q2_k")

_WIDEST = 16.0  # bits in which weights are trained
_NARROW = 4.0  # bits up to which what rounding adds is worth a doubt
_BROKEN = 1.0  # nats per token: perplexity nearly trebles


class QuantizeRequest(ToolRequest):
    """Size, training tokens, widths to compare and the memory to fit; units of the brief."""

    params_total: float | None = Field(default=None, gt=0, le=1e16)
    params_active: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0, le=1e19)
    tokens_per_param: float | None = Field(default=None, gt=0)
    weight_bits: list[float] | float | None = None
    memory_bytes: float | None = Field(default=None, gt=0)
    vocab_size: float | None = Field(default=None, gt=0)
    model: str | None = None
    law: str | None = None


@tool(task="quantize", title="What post-training quantization costs", needs=(("params_total",), ("model",)))
def quantize(request: QuantizeRequest, laws: LawBook) -> Result:
    """Loss added by post-training quantization (Kumar et al. 2024, eq. 2; Ouyang et al. 2024, eq. 6), bytes, and which widths fit."""
    assumptions: list[Assumption] = []
    counts, tokens = _model(request, assumptions)
    asked = _asked(request.weight_bits)
    rule = rule_for(request.law, (_KUMAR, _OUYANG), laws) or (
        _KUMAR if min(asked or WIDTHS) >= 3 else _OUYANG
    )  # Kumar fitted 3 bits and more
    rows = {bits: _width(laws, rule, counts, tokens, bits) for bits in (asked or WIDTHS)}
    chosen = _choose(rows, request.memory_bytes, asked)
    values = _values(request, counts, rows, asked, chosen)
    ratio = tokens / counts.by_kind["params_total"]
    values["tokens_per_param"] = Value(
        value=ratio, unit="tokens/param", quantity="tokens_per_param", label="training tokens per param", formula="D/N"
    )
    if chosen is not None and chosen < 16:
        values["critical_tokens"] = (
            evaluate(laws.get("kumar2024_precision"), "critical_tokens", {"N": counts.nonembedding, "P_post": chosen})
            .values["D_crit"]
            .model_copy(update={"label": "tokens beyond which training raises the quantized loss"})
        )
    facts = {**counts.by_kind, "tokens": tokens, "bits": chosen or min(rows)}
    tables = [_table(rows, request.memory_bytes)]
    if request.memory_bytes is not None:
        tables.append(_formats(laws, counts.by_kind["params_total"], request.memory_bytes))
    compared = [f"loss_increase_{bits:g}bit" for bits in asked] if len(asked) > 1 else []
    headline = ["verdict", *compared, "max_bits_per_weight", "weight_bits", *([] if compared else ["loss_increase"]), "weight_bytes"]
    return Result(
        tool="quantize",
        task="quantize",
        headline=[key for key in headline if key in values],
        values=values,
        tables=tables,
        alternatives=alternatives((_KUMAR, _OUYANG), laws, facts, "loss_increase", f"loss added at {facts['bits']:g} bits", rule.law)
        + _qat_alternative(laws, counts.by_kind["params_total"], chosen),
        assumptions=assumptions,
        warnings=_notices(request, rows, chosen, ratio),
        reasons=_reasons(rule.law, request.memory_bytes),
        feasible=chosen is not None or request.memory_bytes is None,
    )


def _asked(bits: list[float] | float | None) -> tuple[float, ...]:
    """The widths asked about, widest first; InputError for one that is no width."""
    stated = [] if bits is None else bits if isinstance(bits, list) else [bits]
    for value in stated:
        if not 1 <= value <= _WIDEST:
            raise InputError("weight_bits", f"{value:g} is not a width to quantize to", "give 1 to 16 bits")
    return tuple(sorted(set(stated), reverse=True))


def _model(request: QuantizeRequest, assumptions: list[Assumption]) -> tuple[ParamCounts, float]:
    """Counts and training tokens of the model asked about."""
    from knowledge.shapes import model

    shape = model(request.model) if request.model else None
    total = request.params_total or (shape.params_total if shape else None)
    if total is None:
        raise InputError("params_total", "is needed", "state a size such as 7B or a known model")
    counts = param_counts(total, request.vocab_size, request.model, request.params_active)
    assumptions.append(counts.assumption)
    if request.tokens is not None:
        return counts, request.tokens
    if request.tokens_per_param is not None:
        return counts, total * request.tokens_per_param
    if shape is not None and shape.training_tokens is not None:
        assumptions.append(
            Assumption(field="tokens", value=shape.training_tokens, unit="tokens", source=f"published for {shape.name or shape.id}")
        )
        return counts, shape.training_tokens
    tokens = TOKENS_PER_PARAM * total
    assumptions.append(
        Assumption(
            field="tokens",
            value=tokens,
            unit="tokens",
            source="not stated: 20 tokens per param (hoffmann2022); a longer-trained model loses more",
        )
    )
    return counts, tokens


def _width(laws: LawBook, rule: Rule, counts: ParamCounts, tokens: float, bits: float) -> dict[str, Value]:
    """Added loss and bytes at one width."""
    total = counts.by_kind["params_total"]
    added = apply(rule, laws, {**counts.by_kind, "tokens": tokens, "bits": bits})[rule.output]
    scales = 16.0 if bits < 8 else 0.0  # 8-bit formats scale per channel, which is lost in the rounding
    size = evaluate(laws.get("weight_format_bits"), "group_format", {"b": bits, "G": GROUP, "scale_bits": scales, "N": total}).values
    return {
        "loss_increase": added.model_copy(update={"label": f"loss added, {bits:g}-bit weights"}),
        "perplexity_increase": Value(
            value=math.expm1(added.number),
            label=f"rise of perplexity, {bits:g}-bit weights",
            quantity="ratio",
            formula="exp(loss added) - 1",
        ),
        "weight_bytes": size["weight_bytes"].model_copy(update={"label": f"{bits:g}-bit weights"}),
        "bits_per_weight": size["bits_per_weight"].model_copy(update={"label": f"bits per weight with scales, at {bits:g} bits"}),
    }


def _choose(rows: dict[float, dict[str, Value]], memory: float | None, asked: tuple[float, ...]) -> float | None:
    """The widest width that fits the memory; without a memory the only one asked about, or 4 bits when none was."""
    if memory is not None:
        return next((bits for bits in sorted(rows, reverse=True) if rows[bits]["weight_bytes"].number <= memory), None)
    if len(asked) == 1:
        return asked[0]
    return None if asked else 4.0


def _values(
    request: QuantizeRequest, counts: ParamCounts, rows: dict[float, dict[str, Value]], asked: tuple[float, ...], chosen: float | None
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if len(asked) > 1:
        values |= {f"{key}_{bits:g}bit": row[key] for bits, row in rows.items() for key in ("loss_increase", "weight_bytes")}
        wide, narrow = max(asked), min(asked)
        factor = rows[narrow]["loss_increase"].number / rows[wide]["loss_increase"].number
        values["loss_increase_ratio"] = Value(
            value=factor, quantity="ratio", label=f"added loss, {narrow:g} bits over {wide:g} bits", formula="quotient of the two"
        )
    if chosen is not None:
        values |= rows[chosen]
        if rows[chosen]["loss_increase"].outside and chosen <= _NARROW:
            values["estimate"] = Value(
                value="an upper estimate beyond the law's fit, as calibrated methods lose less", label="the loss added is"
            )
        if rows[chosen]["loss_increase"].number > _BROKEN:
            values["verdict"] = Value(value=f"No: rounding to {chosen:g}-bit weights breaks the model.", label="afterwards")
        values["weight_bits"] = Value(value=chosen, unit="bits", label="width", quantity="bits")
    total, memory = counts.by_kind["params_total"], request.memory_bytes
    if memory is not None:
        values["max_bits_per_weight"] = Value(
            value=8 * memory / total,
            unit="bits",
            quantity="bits",
            label="bits per weight the memory holds",
            formula="8 M/N",
            inputs={"M": memory, "N": total},
            note="weights alone; KV cache, activations and runtime come on top",
        )
        values["verdict"] = Value(value=_verdict(rows, memory, chosen), label="in the memory")
        if chosen is not None:
            values["memory_left_bytes"] = Value(
                value=memory - rows[chosen]["weight_bytes"].number,
                unit="bytes",
                label="left for KV cache and activations",
                formula="M - weights",
            )
    return values


def _verdict(rows: dict[float, dict[str, Value]], memory: float, chosen: float | None) -> str:
    bits = min(rows) if chosen is None else chosen
    size = rows[bits]["weight_bytes"].number
    return (
        f"{'No: at' if chosen is None else 'Yes: at'} {bits:g} bits the weights take {size / 1e9:.3g} GB of the {memory / 1e9:.3g} GB,"
        " cache and activations not counted."
    )


def _table(rows: dict[float, dict[str, Value]], memory: float | None) -> Table:
    columns = [
        Column(name="weight_bits", label="bits", unit="bits"),
        Column(name="loss_increase", label="loss added", unit="nats/token"),
        Column(name="weight_bytes", label="weights with scales", unit="bytes"),
    ]
    cells: list[list[float | int | str | bool | None]] = [
        [bits, row["loss_increase"].number, row["weight_bytes"].number] for bits, row in rows.items()
    ]
    if memory is not None:
        columns.append(Column(name="memory_left_bytes", label="memory left", unit="bytes"))
        cells = [[*cell, memory - row["weight_bytes"].number] for cell, row in zip(cells, rows.values(), strict=True)]
    return Table(name="widths", title="By width", columns=columns, rows=cells, note="Scales: 16 bits for every 128 weights below 8 bits.")


def _formats(laws: LawBook, params: float, memory: float) -> Table:
    """Whole files in common formats beside the memory."""
    card = laws.get("weight_format_bits")
    rows: list[list[float | int | str | bool | None]] = []
    for key in _FILES:
        found = evaluate(card, "file_bytes", {"N": params}, key).values
        size = found["weight_bytes"].number
        rows.append([card.variants[key].label, found["bits_per_weight"].number, size, size <= memory])
    return Table(
        name="formats",
        title="Files in common formats",
        rows=rows,
        note="Averages of whole files at 8B; embeddings and output are kept wider.",
        columns=[
            Column(name="format"),
            Column(name="bits_per_weight", label="bits per weight", unit="bits"),
            Column(name="bytes", label="file", unit="bytes"),
            Column(name="fits"),
        ],
    )


def _qat_alternative(laws: LawBook, params: float, chosen: float | None) -> list[Alternative]:
    """Accuracy measured after quantization-aware training at the width, the nearest size of ParetoQ's table."""
    if chosen is None or chosen > 4:
        return []
    card = laws.get("liu2025_paretoq")
    size = "llama3_8b" if params > 3.5e9 and chosen < 3 else "mobilellm_1_5b" if params > 1.2e9 else "mobilellm_1b"
    kept = evaluate(card, "accuracy", {"P": chosen}, size).values["acc_kept"]
    if not math.isfinite(kept.number):
        return []
    return [
        Alternative(
            name="quantization-aware training instead",
            values={"accuracy_kept": kept.model_copy(update={"label": "accuracy kept"})},
            note=f"measured at {card.variants[size].label}",
        )
    ]


def _notices(request: QuantizeRequest, rows: dict[float, dict[str, Value]], chosen: float | None, ratio: float) -> list[Notice]:
    notices: list[Notice] = []
    memory = request.memory_bytes
    if memory is not None and chosen is None:
        notices.append(
            Notice(level="warning", text="No width asked about fits the memory; take a smaller model, more memory or fewer bits.")
        )
    elif memory is not None and chosen is not None and rows[chosen]["weight_bytes"].number > 0.9 * memory:
        notices.append(
            Notice(
                level="caution",
                text="Less than a tenth of the memory is left for KV cache, activations and runtime; a long context may not fit.",
            )
        )
    if any(row["loss_increase"].outside for row in rows.values()):
        notices.append(
            Notice(
                level="caution",
                text="Size or tokens lie beyond the law's fit; well-trained models with calibrated methods do better than it says.",
            )
        )
    worst = max(row["loss_increase"].number for row in rows.values())
    if worst > _BROKEN:
        notices.append(
            Notice(
                level="warning",
                text="More than a nat per token is lost at the narrowest width: rounding to it breaks the model, whatever the exact figure.",
            )
        )
    if ratio > 200 and min(rows) <= 4:
        notices.append(
            Notice(
                level="caution",
                source="ouyang2024_qid",
                text="The model is trained far beyond compute-optimal, which is when low-bit quantization costs most.",
            )
        )
    if (chosen or min(rows)) < 4:
        notices.append(
            Notice(
                level="caution",
                source="liu2025_paretoq",
                text="Below 4 bits quantization-aware training keeps far more than quantizing afterwards.",
            )
        )
    return notices


def _reasons(law: str, memory: float | None) -> list[str]:
    why = [f"{law} gives the added loss from size, training tokens and bits; the loss is that of the corpus it was fitted on."]
    return why + (["The widest width that fits is preferred: the added loss falls steeply with every bit."] if memory is not None else [])
