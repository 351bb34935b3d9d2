"""`repeat_data`: how many epochs limited unique tokens are worth, and the best size for them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._law_values import coefficient, law_numbers, law_value, table
from tools._named_law import uses_laws
from tools.law import compute, evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value
from tools.surface import repetition_scales, surface

LAW = "muennighoff2023"
SUBSET_LAW = "hernandez2022_repeated"
NEEDS = (("unique_tokens",),)
# The paper finds 4 epochs nearly as good as fresh data; its law puts their mean worth at 93%.
NO_NOTABLE_LOSS = 0.93
RD_REFITS = (11.0, 17.0)  # refits of R*_D on the released runs, by the outlier cut
_EPOCHS = (1, 2, 4, 8, 16, 32, 40)


class RepeatDataRequest(ToolRequest):
    """Unique tokens, and what is to be done with them; fields and units of the brief."""

    unique_tokens: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0, description="training tokens, repetitions counted")
    epochs: float | None = Field(default=None, ge=1)
    params_total: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    law: str | None = None


@tool(task="repeat_data", title="What repeated epochs are worth")
@uses_laws(LAW, SUBSET_LAW)
def repeat_data(request: RepeatDataRequest, laws: LawBook) -> Result:
    """Epochs, size and tokens for limited unique data, or the worth of a stated repetition (Muennighoff et al. 2023).

    Without either, what a number of epochs is worth whatever the data. Raises MissingInput where only the unique tokens lack.
    """
    if request.law == SUBSET_LAW and request.params_total is not None:
        return _subset(request.params_total, laws)
    if request.unique_tokens is None:
        if request.tokens or request.compute_flops or request.params_total:
            raise MissingInput(NEEDS, "the worth of repetition")
        return _in_general(request, laws)
    D = request.tokens or (request.epochs * request.unique_tokens if request.epochs else None)
    if D is not None:
        return _stated(request, laws, request.unique_tokens, D)
    if request.compute_flops is not None and request.params_total is not None:
        return _stated(request, laws, request.unique_tokens, request.compute_flops / (6 * request.params_total))
    if request.compute_flops is not None:
        return _budget(request.compute_flops, request.unique_tokens, laws)
    return _advise(request, laws, request.unique_tokens)


def _subset(N: float, laws: LawBook) -> Result:
    value = law_value(laws, SUBSET_LAW, "equivalent_size", {"N": N}, label="model as good without the repeated subset")
    return Result(
        tool="repeat_data",
        task="repeat_data",
        headline=["equivalent_params"],
        values={"equivalent_params": value},
        reasons=["A small subset repeated until it can be memorised costs capacity, although most tokens stay unique."],
    )


def _with_refits(value: Value, low: float, high: float) -> Value:
    return value.model_copy(
        update={
            "low": min(low, high, value.number),
            "high": max(low, high, value.number),
            "interval_basis": f"refits of Rd between {RD_REFITS[0]:g} and {RD_REFITS[1]:g}",
        }
    )


def _worth(laws: LawBook, D: float, U: float) -> dict[str, Value]:
    """Values of a stated repetition, with the range that refits of Rd give."""
    card = laws.get(LAW)
    found = evaluate(card, "effective_data", {"D": D, "U_D": U}).values
    spread = compute(card, "effective_data", {"D": D, "U_D": U}, coefficients={"Rd": np.array(RD_REFITS)})
    keys = {"epochs": "epochs", "effective_tokens": "D_eff", "share_of_fresh": "share", "marginal_value": "marginal_value"}
    return {key: found[name] if name == "epochs" else _with_refits(found[name], *map(float, spread[name])) for key, name in keys.items()}


def _stated(request: RepeatDataRequest, laws: LawBook, U: float, D: float) -> Result:
    """Both unique and total tokens are known: what they are worth, and the loss that repetition costs."""
    values = _worth(laws, D, U)
    headline = ["share_of_fresh", "effective_tokens", "epochs"]
    if request.params_total is not None:
        N = request.params_total
        repeated, fresh = (law_numbers(laws, LAW, "loss", {"N": N, "D": D, "U_D": unique}) for unique in (U, D))
        values["loss_penalty"] = Value(
            value=float(repeated["L"] - fresh["L"]),
            unit="nats/token",
            label="loss above as many fresh tokens",
            law=LAW,
            relation="loss",
            formula="L(N, D, U) - L(N, D, D)",
            inputs={"N": N, "D": D, "U_D": U},
            source=values["epochs"].source,
            note="a difference; absolute losses of this law are too low",
        )
        headline.append("loss_penalty")
    return Result(
        tool="repeat_data",
        task="repeat_data",
        headline=headline,
        values=values,
        tables=[_table(laws, U)],
        warnings=_warnings(values["epochs"].number),
        reasons=["Each repetition of a token is worth exponentially less than a fresh one."],
    )


def _budget(C: float, U: float, laws: LawBook) -> Result:
    found = evaluate(laws.get(LAW), "optimum", {"C": C, "U_D": U}).values
    spread = compute(laws.get(LAW), "optimum", {"C": C, "U_D": U}, coefficients={"Rd": np.array(RD_REFITS)})
    keys = {"epochs": "epochs", "params_total": "N", "tokens": "D", "effective_tokens": "D_eff"}
    values = {key: _with_refits(found[name], *map(float, spread[name])) for key, name in keys.items()}
    values["share_of_fresh"] = law_value(laws, LAW, "effective_data", {"D": found["D"].number, "U_D": U}, "share")
    penalty = evaluate(laws.get(LAW), "penalty", {"C": C, "U_D": U}).values
    values["loss_penalty"] = penalty["excess"]
    values["equivalent_compute_share"] = penalty["equivalent_compute_share"]
    law, scales = surface(laws, None), repetition_scales(laws)
    N = float(law.best_params(C, None, U, scales))
    other = {
        "params_total": Value(value=N, unit="params", label="parameters", quantity="params_total", law=law.card.id),
        "tokens": Value(value=C / (6 * N), unit="tokens", label="tokens", quantity="tokens", law=law.card.id),
        "epochs": Value(value=max(C / (6 * N) / U, 1.0), unit="epochs", label="epochs", quantity="epochs", law=law.card.id),
    }
    plain = law_value(laws, LAW, "optimum_unlimited", {"C": C}, "D", label="tokens if unique data were unlimited")
    return Result(
        tool="repeat_data",
        task="repeat_data",
        headline=["epochs", "params_total", "tokens", "share_of_fresh"],
        values=values,
        tables=[_table(laws, U)],
        alternatives=[
            Alternative(name=law.card.id, values=other, note="its surface with the same worth of repetition"),
            Alternative(name="unlimited unique data", values={"tokens": plain}),
        ],
        warnings=_warnings(values["epochs"].number),
        reasons=[
            "The least loss of the data-constrained law over sizes at this compute; the optimum is flat, so a nearby size costs little."
        ],
    )


def _advise(request: RepeatDataRequest, laws: LawBook, U: float) -> Result:
    """Only unique tokens (and perhaps a size) are known: epochs until repetition costs notably, and until it is nearly worthless."""
    epochs = law_value(laws, LAW, "epochs_for_share", {"share": NO_NOTABLE_LOSS}, label="epochs without a notable loss")
    ends = [
        float(v)
        for v in compute(laws.get(LAW), "epochs_for_share", {"share": NO_NOTABLE_LOSS}, coefficients={"Rd": np.array(RD_REFITS)})["epochs"]
    ]
    values = {
        "epochs": _with_refits(epochs, *ends),
        "tokens": Value(
            value=epochs.number * U,
            unit="tokens",
            label="tokens without a notable loss",
            quantity="tokens",
            formula="epochs x unique tokens",
        ),
        "effective_tokens_limit": law_value(laws, LAW, "effective_data", {"D": epochs.number * U, "U_D": U}, "D_eff_limit"),
    }
    if request.params_total is not None:
        values["tokens_per_param"] = Value(
            value=epochs.number * U / request.params_total,
            unit="tokens/param",
            quantity="tokens_per_param",
            label="tokens per parameter at that many epochs",
            formula="D/N",
        )
    assumption = Assumption(
        field="share_of_fresh",
        value=NO_NOTABLE_LOSS,
        source="a loss counts as notable when a token's mean worth falls below that of 4 epochs (Muennighoff et al. 2023)",
    )
    return Result(
        tool="repeat_data",
        task="repeat_data",
        headline=["epochs", "tokens"],
        values=values,
        tables=[_table(laws, U)],
        assumptions=[assumption],
        reasons=["Up to about four epochs repeated tokens are nearly as good as fresh ones; later ones fade exponentially."],
    )


def _in_general(request: RepeatDataRequest, laws: LawBook) -> Result:
    """What epochs are worth when no amount of data is stated: the mean worth of a token depends on their number alone."""
    values: dict[str, Value] = {}
    if request.epochs is not None:
        for key, name, label in (
            ("share_of_fresh", "share", "mean worth of a token over these epochs"),
            ("marginal_value", "marginal_value", "worth of a token in the last of them"),
        ):
            values[key] = law_value(laws, LAW, "repetition_value", {"epochs": request.epochs}, name, label=label)
    for key, share, label in (
        ("epochs_without_loss", NO_NOTABLE_LOSS, "epochs without a notable loss"),
        ("epochs_at_half_worth", 0.5, "epochs until a token is on average worth half a fresh one"),
    ):
        values[key] = law_value(laws, LAW, "epochs_for_share", {"share": share}, label=label)
    scale = coefficient(laws.get(LAW), "c4", "Rd")
    values["repetition_scale"] = Value(
        value=scale, label="repetitions after which a token is worth 1/e of a fresh one (Rd)", unit="epochs", law=LAW, variant="c4",
        low=RD_REFITS[0], high=RD_REFITS[1], interval_basis="refits by the outlier cut", source=values["epochs_without_loss"].source,
    )  # fmt: skip
    return Result(
        tool="repeat_data",
        task="repeat_data",
        headline=list(values)[:3],
        values=values,
        tables=[_table(laws, None)],
        warnings=_warnings(request.epochs or 1.0),
        reasons=["Up to about four epochs repeated tokens are nearly as good as fresh ones; later ones fade exponentially."],
    )


def _table(laws: LawBook, U: float | None) -> Table:
    worth = law_numbers(laws, LAW, "repetition_value", {"epochs": np.array(_EPOCHS, float)})
    rows = [
        [e, *([] if U is None else [e * U, float(s) * e * U]), float(s), float(m)]
        for e, s, m in zip(_EPOCHS, worth["share"], worth["marginal_value"], strict=True)
    ]
    counted = {"tokens": ("tokens seen", "tokens"), "effective_tokens": ("worth in fresh tokens", "tokens")}
    columns = {
        "epochs": ("epochs", "epochs"),
        **({} if U is None else counted),
        "share_of_fresh": ("mean worth of a token", ""),
        "marginal_value": ("worth in the last epoch", ""),
    }
    return table("worth_of_epochs", "What epochs over the unique tokens are worth", columns, rows)


def _warnings(epochs: float) -> list[Notice]:
    notices = [Notice(level="info", source=LAW, text="Absolute losses of this law are 6 to 9% too low; only its trend is used.")]
    if epochs > _EPOCHS[-1]:
        notices.insert(
            0,
            Notice(
                level="warning", source=LAW, text="Beyond about 40 epochs the law fails: runs that overfitted were left out of its fit."
            ),
        )
    return notices
