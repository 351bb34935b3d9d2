"""`predict_loss`: the loss of a size on so many tokens, by the default law, with what other laws say of the same point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.convert import in_words
from tools.forms import get_form
from tools.law import evaluate, far_outside
from tools.other_laws import optimum_at
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Value
from tools.surface import Coefficients, Outcome, Surface, assumed_law, repetition_scales, surface

# Laws with a loss over (N, D) in nats per token; their corpora and tokenizers differ, so values are shown side by side, never averaged.
LOSS_LAWS = ("hoffmann2022", "besiroglu2024", "gadre2024", "farseer2025", "kaplan2020", "deepseek2024_alloc", "gemstones2025")
_GUESSING = 12.0  # nats per token: a uniform guess among 160,000 entries, more than any vocabulary of the laws
NEEDS = (
    ("params_total", "tokens"),
    ("params_total", "compute_flops"),
    ("tokens", "compute_flops"),
    ("compute_flops",),
    ("params_total", "tokens_per_param"),
)


class PredictLossRequest(ToolRequest):
    """A size and its data; two of params, tokens and compute fix the third."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0)
    observed_loss: float | None = Field(default=None, gt=0)
    law: str | None = None


@tool(task="predict_loss", title="The loss a run will reach", needs=NEEDS)
def predict_loss(request: PredictLossRequest, laws: LawBook) -> Result:
    """Loss in nats per token from params and tokens (default: Besiroglu et al. 2024); tokens beyond `unique_tokens` count as
    repetitions (Muennighoff et al. 2023). With compute alone, the loss at the compute-optimal size."""
    if request.law and request.compute_flops and (direct := _by_compute(laws, request)):
        return direct
    law = surface(laws, request.law)
    N, D, how = _point(request, law.best_params)
    scales = repetition_scales(laws) if request.unique_tokens else None

    def solve(c: Coefficients | None) -> Outcome:
        loss = law.repeated_loss(N, D, request.unique_tokens, scales, c)
        return {"N": N, "D": D, "C": K * N * D, "L": loss} | ({"floor": law.chinchilla(c)["E"] + 0 * loss} if law.is_chinchilla else {})

    outcome, bounds = law.evaluate(solve)
    _refuse_guessing(law, N, D, outcome["L"])
    formula = get_form(law.card.relations["loss"].form).formula
    inputs = {"N": N, "D": D}
    values = {
        "loss": law.value(
            "L",
            outcome,
            bounds,
            unit=_loss_unit(law.card),
            label="expected loss",
            formula=formula,
            inputs=inputs,
            quantity="nats_per_token",
            relation="loss",
        ),
        "params_total": _given(N, request.params_total, "params", how, "params_total"),
        "tokens": _given(D, request.tokens, "tokens", how, "tokens"),
        "compute_flops": Value(
            value=K * N * D, unit="FLOP", label="training compute", formula="C = 6 N D", inputs=inputs, quantity="flops"
        ),
    }
    if request.unique_tokens is None:
        values |= _above_optimum(law, N, D, outcome["L"], values["loss"])
    if "floor" in outcome:
        values["irreducible_loss"] = law.value(
            "floor", outcome, bounds, unit=_loss_unit(law.card), label="irreducible part (E)", formula=formula, inputs={}, relation="loss"
        )
    return Result(
        tool="predict_loss",
        task="predict_loss",
        headline=[key for key in ("loss", "params_total", "tokens", "loss_above_optimum") if key in values],
        values=values,
        alternatives=_others(laws, law.card.id, N, D),
        assumptions=_assumptions(request, how),
        warnings=_notices(request, values, far_outside(law.card, "loss", law.variant, outcome)),
        reasons=[f"The loss surface of {law.card.id} evaluated at this size and these tokens."],
    )


def _refuse_guessing(law: Surface, N: float, D: float, loss: float) -> None:
    """Raise InputError for a run so small that the law gives it a loss worse than guessing; it names which of the two is too small."""
    if law.loss_unit != "nats/token" or loss < _GUESSING:
        return
    small = "tokens" if law.loss(N, 1e30) < law.loss(1e30, D) else "params_total"
    raise InputError(
        small,
        f"{in_words(N, 'params')} params on {in_words(D, 'tokens')} tokens lie so far below the fit of {law.card.id} that it gives "
        f"{in_words(float(loss))} nats/token, worse than guessing",
        "check the unit",
    )


def _above_optimum(law: Surface, N: float, D: float, loss: float, told: Value) -> dict[str, Value]:
    """How far the loss lies above that of the best size for the same compute; nothing at the optimum itself."""
    C = K * N * D
    n = float(law.best_params(C))
    above = loss - float(law.loss(n, C / (K * n)))
    if above <= 1e-4 * loss:
        return {}
    value = told.model_copy(
        update={"value": above, "low": None, "high": None, "level": None, "quantity": "", "label": "above the best use of the same compute"}
    )
    return {
        "loss_above_optimum": value.model_copy(
            update={"formula": "L(N, D) - L at the optimum of C = 6 N D", "note": f"the best size there is {in_words(n, 'params')} params"}
        )
    }


def _by_compute(laws: LawBook, request: PredictLossRequest) -> Result | None:
    """The loss a law gives at its own optimum for a compute, where it has an optimum of its own rather than that of a Chinchilla surface."""
    card = laws.get(request.law or "")
    optimum = card.relations.get("optimum")
    if optimum is None or optimum.form == "chinchilla_optimum" or request.params_total or request.tokens or request.compute_flops is None:
        return None
    values = optimum_at(card, request.compute_flops)
    if "loss" not in values:
        return None
    return Result(
        tool="predict_loss",
        task="predict_loss",
        headline=[key for key in ("loss", "params_total", "params_nonembedding", "tokens") if key in values],
        values=values,
        assumptions=[Assumption(field="size", value="the law's own optimum", source=f"{card.id}: only compute is stated")],
        warnings=_notices(request, values),
        reasons=[f"The loss of {card.id} along its own compute-efficient frontier."],
    )


def _given(number: float, stated: float | None, unit: str, how: str, quantity: str) -> Value:
    """Size or tokens of the point: the question's own, or what follows from it."""
    return Value(
        value=number,
        unit=unit,
        label=unit,
        quantity=quantity,
        source="the question" if stated is not None else "",
        formula="" if stated is not None else how,
    )


def _loss_unit(card: LawCard) -> str:
    return next(iter(card.relations["loss"].outputs.values())).unit


def _point(request: PredictLossRequest, best_params: Callable[[float], Any]) -> tuple[float, float, str]:
    """(N, D) of a request and how they follow from what is stated."""
    N, D, C, r = request.params_total, request.tokens, request.compute_flops, request.tokens_per_param
    if N is not None and D is not None:
        return N, D, "as stated"
    if N is not None and C is not None:
        return N, C / (K * N), "D = C/(6 N)"
    if D is not None and C is not None:
        return C / (K * D), D, "N = C/(6 D)"
    if N is not None and r is not None:
        return N, r * N, "D = r N"
    if C is not None:
        n = float(best_params(C))
        return n, C / (K * n), "the compute-optimal size of the law"
    raise MissingInput(NEEDS[:4], "the loss")


def _others(laws: LawBook, chosen: str, N: float, D: float) -> list[Alternative]:
    found: list[Alternative] = []
    for law in LOSS_LAWS:
        if law == chosen or law not in laws:
            continue
        card = laws.get(law)
        relation = card.relations.get("loss")
        if (
            relation is None
            or not {"N", "D"} <= set(relation.inputs)
            or any(v.default is None for k, v in relation.inputs.items() if k not in "ND")
        ):
            continue
        value = next(iter(evaluate(card, "loss", {"N": N, "D": D}).values.values()))
        corpus = next(iter(relation.outputs.values())).corpus
        counted = "" if relation.inputs["N"].quantity == "params_total" else f"N taken as {relation.inputs['N'].quantity.replace('_', ' ')}"
        found.append(
            Alternative(
                name=law, values={"loss": value}, note="; ".join(part for part in (f"on {corpus}" if corpus else "", counted) if part)
            )
        )
    return found


def _assumptions(request: PredictLossRequest, how: str) -> list[Assumption]:
    made: list[Assumption] = []
    if how != "as stated":
        made.append(Assumption(field="size and tokens", value=how, source="C = 6 N D, Kaplan et al. 2020, section 2.1"))
    if request.law is None:
        made.append(assumed_law())
    return made


def _notices(request: PredictLossRequest, values: dict[str, Value], far: str = "") -> list[Notice]:
    found = [
        Notice(
            level="caution",
            text="Losses hold for the law's own corpus and tokenizer; compare differences, not absolute values, with another data set.",
        )
    ]
    loss = values["loss"]
    if far:
        found.append(Notice(level="warning", source=loss.law, text=far))
    if loss.outside:
        found.append(Notice(level="caution", source=loss.law, text="Extrapolated: " + "; ".join(loss.outside) + "."))
    if request.observed_loss is not None:
        gap = request.observed_loss - values["loss"].number
        found.append(
            Notice(
                level="info",
                text=f"The observed loss {request.observed_loss:g} is {abs(gap):.3g} nats/token {'above' if gap > 0 else 'below'} this prediction.",
            )
        )
    return found
