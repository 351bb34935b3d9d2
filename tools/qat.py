"""`qat`: what share of the tokens to train quantization-aware, and from which token on."""

from __future__ import annotations

import math

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value
from tools.surface import DEFAULT_LAW

LAW = "dremov2025_qat"
TENTH = "liu2025_paretoq"
WIDTHS = (6.0, 4.0, 3.0, 2.0, 1.0)
NEEDS = (("params_total", "tokens"), ("params_total", "tokens_per_param"), ("compute_flops",), ("params_total", "qat_fraction"))
MEAN_ABSOLUTE_ERROR = 0.091  # of the share, direct fit (Dremov et al. 2025)
_TABLE_SIZES = {
    "mobilellm_125m": 1.25e8,
    "mobilellm_350m": 3.5e8,
    "mobilellm_600m": 6e8,
    "mobilellm_1b": 1e9,
    "mobilellm_1_5b": 1.5e9,
    "llama3_8b": 8e9,
}


class QatRequest(ToolRequest):
    """Size, tokens of both phases and width; units of the brief. `qat_fraction` asks for the tokens at which that share is best."""

    params_total: float | None = Field(default=None, gt=0, le=1e16)
    tokens: float | None = Field(default=None, gt=0, le=1e19)
    tokens_per_param: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    weight_bits: float | None = Field(default=None, gt=0, le=32)
    memory_bytes: float | None = Field(default=None, gt=0)
    qat_fraction: float | None = Field(default=None, gt=0, lt=1)
    architecture: str | None = None
    law: str | None = None


@tool(task="qat", title="How much quantization-aware training", needs=NEEDS)
def qat(request: QatRequest, laws: LawBook) -> Result:
    """Share and tokens of quantization-aware training by tokens per byte of weights (Dremov et al. 2025, eq. 4).

    Beside it ParetoQ's fixed tenth, other widths, and measured accuracy after QAT. Raises MissingInput and InputError.
    """
    assumptions: list[Assumption] = []
    params, tokens = _size(request, laws, assumptions)
    bits = _bits(request, params, assumptions)
    if tokens is None:
        return _inverse(request, laws, params, bits, assumptions)
    if bits >= 16:
        raise InputError("weight_bits", f"{bits:g} bits need no quantization-aware training", "give the width to quantize to, 1 to 8")
    values = _plan(laws, params, tokens, bits)
    tenth = _tenth(laws, tokens)
    others = [Alternative(name=TENTH, values=tenth, note="a fixed tenth, found at one small size")]
    reasons = ["The best share grows with tokens per byte of weights: more tokens or fewer bits ask for a longer quantization-aware phase."]
    if request.law == TENTH:
        others = [
            Alternative(name=LAW, values={key: values[key] for key in ("qat_fraction", "qat_tokens")}, note="share by tokens per byte")
        ]
        values |= tenth
        reasons = ["The question names ParetoQ; its fixed share is used."]
    return Result(
        tool="qat",
        task="qat",
        headline=["qat_fraction", "qat_tokens", "full_precision_tokens", "weight_bits"],
        values=values,
        tables=[_widths(laws, params, tokens, bits)],
        alternatives=others,
        assumptions=assumptions,
        warnings=_notices(request, values),
        reasons=reasons,
    )


def _size(request: QatRequest, laws: LawBook, assumptions: list[Assumption]) -> tuple[float, float | None]:
    """Params and tokens, the latter from a ratio or both from the compute-optimal allocation of a budget."""
    params, tokens = request.params_total, request.tokens
    if params is not None and tokens is None and request.tokens_per_param is not None:
        tokens = params * request.tokens_per_param
    if params is not None and tokens is None and request.compute_flops is not None:
        tokens = request.compute_flops / (6 * params)
        assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source="compute_flops / (6 params_total)"))
    if params is None and tokens is not None and request.compute_flops is not None:
        params = request.compute_flops / (6 * tokens)
        assumptions.append(Assumption(field="params_total", value=params, unit="params", source="compute_flops / (6 tokens)"))
    if params is None and request.compute_flops is not None:
        best = evaluate(laws.get(DEFAULT_LAW), "optimum", {"C": request.compute_flops}).values
        params, tokens = best["N"].number, best["D"].number
        assumptions += [
            Assumption(field=name, value=value, unit=name.split("_")[0], source=f"compute-optimal by {DEFAULT_LAW}; not stated")
            for name, value in (("params_total", params), ("tokens", tokens))
        ]
    if params is None or (tokens is None and request.qat_fraction is None):
        raise MissingInput(NEEDS, "the share of quantization-aware training")
    return params, tokens


def _bits(request: QatRequest, params: float, assumptions: list[Assumption]) -> float:
    if request.weight_bits is not None:
        return request.weight_bits
    if request.memory_bytes is not None:
        fitting = [bits for bits in WIDTHS if params * bits / 8 <= request.memory_bytes]
        if not fitting:
            raise InputError("memory_bytes", f"{params:.3g} params do not fit at one bit", "give more memory or a smaller model")
        assumptions.append(
            Assumption(field="weight_bits", value=fitting[0], unit="bits", source="the widest of the fitted widths whose weights fit")
        )
        return fitting[0]
    assumptions.append(
        Assumption(
            field="weight_bits",
            value=4.0,
            unit="bits",
            source="dettmers2022_kbit: best at equal memory; dremov2025_qat agrees on small budgets",
        )
    )
    return 4.0


def _plan(laws: LawBook, params: float, tokens: float, bits: float) -> dict[str, Value]:
    found = evaluate(laws.get(LAW), "plan", {"N": params, "D_total": tokens, "B": bits}).values
    share = found["f_star"]
    if not math.isfinite(share.number):
        raise InputError(
            "tokens",
            f"{found['S_total'].number:.3g} tokens per byte are too few for the law",
            "it needs more than one token per byte of weights",
        )
    spread = 1.645 * MEAN_ABSOLUTE_ERROR * math.sqrt(math.pi / 2)  # normal errors: mean absolute error = sd sqrt(2/pi)
    low, high = max(0.0, share.number - spread), min(1.0, share.number + spread)
    basis = "the law's mean absolute error, taken as normal"
    share = share.model_copy(update={"low": low, "high": high, "level": 0.9, "interval_basis": basis})
    of_tokens = found["D_qat"].model_copy(update={"low": low * tokens, "high": high * tokens, "level": 0.9, "interval_basis": basis})
    values = {
        "qat_fraction": share,
        "qat_tokens": of_tokens,
        "full_precision_tokens": found["D_fp"],
        "tokens_per_byte": found["S_total"],
        "weight_bits": Value(value=bits, unit="bits", label="weight bits"),
        "weight_bytes": _bytes(params, bits),
    }
    if abs(bits - 4) < 0.01:
        values["loss_increase_from_scratch"] = (
            evaluate(laws.get("chen2025_qat"), "delta", {"N": params, "D": tokens}, "w4a16")
            .values["delta"]
            .model_copy(
                update={
                    "label": "loss added by 4-bit QAT from scratch",
                    "note": "an upper figure: with a full-precision phase first the error is smaller",
                }
            )
        )
    return values


def _bytes(params: float, bits: float) -> Value:
    return Value(
        value=params * bits / 8,
        unit="bytes",
        quantity="bytes",
        label="weights",
        formula="N B/8",
        inputs={"N": params, "B": bits},
        note="every parameter at the stated width, as the law counts; embeddings usually stay wider",
    )


def _tenth(laws: LawBook, tokens: float) -> dict[str, Value]:
    amount = evaluate(laws.get(TENTH), "qat_tokens", {"D_total": tokens}).values["D_qat"]
    share = amount.model_copy(
        update={"value": amount.number / tokens, "unit": "", "quantity": "fraction", "label": "share of tokens in QAT"}
    )
    return {"qat_fraction": share, "qat_tokens": amount.model_copy(update={"label": "tokens of QAT"})}


def _known(number: float) -> float | None:
    """The number, or nothing where a law or a table has none."""
    return number if math.isfinite(number) else None


def _widths(laws: LawBook, params: float, tokens: float, asked: float) -> Table:
    """Share, tokens, bytes and measured accuracy at each width, the one asked about among them."""
    size = min(_TABLE_SIZES, key=lambda key: abs(math.log(_TABLE_SIZES[key] / params)))
    rows: list[list[float | int | str | bool | None]] = []
    for bits in sorted({*WIDTHS, asked}, reverse=True):
        plan = evaluate(laws.get(LAW), "plan", {"N": params, "D_total": tokens, "B": bits}).values
        share = plan["f_star"].number
        kept = evaluate(laws.get(TENTH), "accuracy", {"P": bits}, size).values["acc_kept"].number
        rows.append([bits, _known(share), _known(share * tokens), params * bits / 8, _known(kept)])
    label = laws.get(TENTH).variants[size].label
    return Table(
        name="widths",
        title="Other widths",
        rows=rows,
        note=f"Accuracy kept: measured by ParetoQ at {label}, the nearest size of its table.",
        columns=[
            Column(name="weight_bits", label="bits", unit="bits"),
            Column(name="qat_fraction", label="share in QAT"),
            Column(name="qat_tokens", label="QAT tokens", unit="tokens"),
            Column(name="weight_bytes", label="weights", unit="bytes"),
            Column(name="accuracy_kept", label="accuracy kept"),
        ],
    )


def _notices(request: QatRequest, values: dict[str, Value]) -> list[Notice]:
    notices: list[Notice] = []
    if values["tokens_per_byte"].number < 36:
        notices.append(
            Notice(
                level="caution",
                source=LAW,
                text="Fewer tokens per byte than in any run of the study; below about 18 the share means little.",
            )
        )
    if request.weight_bits is not None and request.weight_bits > 6:
        notices.append(
            Notice(
                level="info",
                source=LAW,
                text="Above 6 bits quantization after training loses so little that quantization-aware training rarely pays.",
            )
        )
    if request.architecture is not None and request.architecture.lower() == "moe":
        notices.append(
            Notice(
                level="caution",
                source=LAW,
                text="The law was fitted on dense models; every expert's weights are counted in the bytes here.",
            )
        )
    return notices


def _inverse(request: QatRequest, laws: LawBook, params: float, bits: float, assumptions: list[Assumption]) -> Result:
    """Total tokens for which the stated share is the best one."""
    card = laws.get(LAW)
    share = request.qat_fraction or 0.0
    total = evaluate(card, "tokens_for_share", {"N": params, "B": bits, "f_star": share}).values["D_total"]
    per_byte = evaluate(card, "tokens_per_byte", {"f_star": share}).values["S_total"]
    values = {
        "tokens": total.model_copy(update={"label": "tokens for which this share is best"}),
        "tokens_per_byte": per_byte,
        "qat_tokens": Value(value=total.number * share, unit="tokens", quantity="tokens", label="tokens of QAT", formula="f D"),
        "weight_bits": Value(value=bits, unit="bits", label="weight bits"),
    }
    return Result(
        tool="qat",
        task="qat",
        headline=["tokens", "qat_tokens"],
        values=values,
        assumptions=assumptions,
        reasons=["The share is given; the law is solved for the tokens at which it is the best."],
    )
