"""A tuned recipe carried to another width, depth, batch or horizon, and the request of the tool that does so."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.batch_size import SizedRun
from tools.law import evaluate
from tools.result import Alternative, Assumption, Notice, Result, Value

TRANSFERS = ("yang2022_mup", "dey2025_completep", "fan2025_wd", "bordelon2023_depthwise")


class HyperparametersRequest(SizedRun):
    """A run, or a tuned recipe (`*_before`, `base_width`, `base_depth`) and where to carry it. Units of the brief."""

    batch_tokens: float | None = Field(default=None, gt=0)
    vocab_size: float | None = Field(default=None, gt=0)
    architecture: str | None = None
    model: str | None = None
    learning_rate: float | None = Field(default=None, gt=0, description="the run's own, or the tuned one in a transfer")
    weight_decay: float | None = Field(default=None, gt=0, description="the tuned one in a transfer")
    tokens_before: float | None = Field(default=None, gt=0)
    batch_tokens_before: float | None = Field(default=None, gt=0)
    learning_rate_before: float | None = Field(default=None, gt=0)
    width: float | None = Field(default=None, gt=0)
    base_width: float | None = Field(default=None, gt=0)
    depth: float | None = Field(default=None, gt=0)
    base_depth: float | None = Field(default=None, gt=0)
    law: str | None = None


def transfer(request: HyperparametersRequest, laws: LawBook) -> Result:
    """A tuned recipe at another width or depth."""
    law = request.law if request.law in TRANSFERS else "dey2025_completep" if request.depth and request.base_depth else "yang2022_mup"
    card = laws.get(law)
    if law in ("yang2022_mup", "fan2025_wd") and (request.width is None or request.base_width is None):
        raise MissingInput((("learning_rate", "base_width", "width"),), f"a transfer by {law}")
    if law in ("dey2025_completep", "bordelon2023_depthwise") and (request.depth is None or request.base_depth is None):
        raise MissingInput((("learning_rate", "base_depth", "depth"),), f"a transfer by {law}")
    assumptions = (
        []
        if request.learning_rate is not None
        else [Assumption(field="learning_rate", value=1.0, source="not stated: results are factors on your tuned rate")]
    )
    values = _transferred(request, card)
    if request.learning_rate is None:
        values = _as_factor(values)
    others: list[Alternative] = []
    if law != "fan2025_wd" and request.width and request.base_width:
        decay = evaluate(laws.get("fan2025_wd"), "transfer", {"d_ratio": request.width / request.base_width}).values["wd_ratio"]
        others.append(
            Alternative(
                name="fan2025_wd", values={"weight_decay_ratio": decay}, note="keeps the top singular value; muP's package keeps lr x wd"
            )
        )
    return Result(
        tool="hyperparameters",
        task="hyperparameters",
        headline=[key for key in ("lr", "lr_ratio", "weight_decay_ratio", "residual_multiplier") if key in values],
        values=values,
        alternatives=others,
        assumptions=assumptions,
        reasons=[f"A tuned recipe is carried over by {law}."],
        warnings=[Notice(level="info", source=law, text=text) for text in card.caveats[:1]],
    )


def _as_factor(values: dict[str, Value]) -> dict[str, Value]:
    """Rates carried over from a tuned rate of one, which was not stated, told as factors on it."""
    named = {"lr": ("lr_ratio", "factor on the tuned rate"), "lr_embedding": ("lr_embedding_ratio", "factor on the rate of embeddings")}
    return {
        named[key][0] if key in named else key: value.model_copy(update={"label": named[key][1], "quantity": "ratio"})
        if key in named
        else value
        for key, value in values.items()
    }


def _transferred(request: HyperparametersRequest, card: LawCard) -> dict[str, Value]:
    rate = request.learning_rate or 1.0
    if card.id == "yang2022_mup":
        found = evaluate(card, "adam", {"width": request.width, "base_width": request.base_width, "lr_base": rate}).values
        return {
            "lr": found["lr_hidden"],
            **{key: found[key] for key in ("lr_embedding", "init_std_ratio", "logit_multiplier", "width_multiplier")},
            "weight_decay_ratio": found["wd_hidden"].model_copy(update={"label": "factor on the coupled weight decay of hidden matrices"}),
        }
    if card.id == "fan2025_wd":
        found = evaluate(card, "transfer", {"d_ratio": (request.width or 1) / (request.base_width or 1), "lr1": rate}).values
        return {
            "lr": found["lr2"].model_copy(update={"label": "rate of matrices"}),
            "weight_decay_ratio": found["wd_ratio"],
            "lr_ratio": found["lr_ratio"],
        }
    if card.id == "bordelon2023_depthwise":
        return {"residual_multiplier": evaluate(card, "branch_scale", {"L": request.depth}).values["branch_scale"]}
    found = evaluate(
        card,
        "transfer",
        {
            "depth": request.depth,
            "base_depth": request.base_depth,
            "width": request.width or 1,
            "base_width": request.base_width or 1,
            "lr_base": rate,
        },
    ).values
    return {
        "lr": found["lr_hidden"],
        "weight_decay_ratio": found["wd_factor"],
        **{key: found[key] for key in ("residual_multiplier", "lr_depth_factor", "lr_norm_bias", "eps_factor")},
    }


def carry_decay(request: HyperparametersRequest, laws: LawBook) -> Result:
    """Weight decay at another horizon, batch or rate, averaging time in epochs held (Wang and Aitchison 2024)."""
    pairs = {
        "D_ratio": (request.tokens, request.tokens_before),
        "B_ratio": (request.batch_tokens, request.batch_tokens_before),
        "lr_ratio": (request.learning_rate, request.learning_rate_before),
    }
    ratios = {key: new / old for key, (new, old) in pairs.items() if new is not None and old is not None}
    if not ratios:
        raise MissingInput(
            (("tokens", "tokens_before"), ("batch_tokens", "batch_tokens_before"), ("learning_rate", "learning_rate_before")),
            "weight decay by wang2024_wd",
        )
    found = evaluate(laws.get("wang2024_wd"), "transfer", {**ratios, "wd1": request.weight_decay or 1.0}).values
    values = {"weight_decay_ratio": found["wd_ratio"]}
    if request.weight_decay is not None:
        values["weight_decay"] = found["wd2"]
    others: list[Alternative] = []
    if "D_ratio" in ratios:
        exponent = evaluate(laws.get("bergsma2025_powerlines"), "tau_opt", {"TPP": ratios["D_ratio"]}).values["tau_opt"].number
        base = evaluate(laws.get("bergsma2025_powerlines"), "tau_opt", {"TPP": 1.0}).values["tau_opt"].number
        ratio = found["wd_ratio"].number * base / exponent
        others.append(
            Alternative(
                name="bergsma2025_powerlines",
                note="the averaging time falls with tokens per param",
                values={
                    "weight_decay_ratio": Value(
                        value=ratio,
                        label="weight decay factor",
                        quantity="ratio",
                        law="bergsma2025_powerlines",
                        relation="tau_opt",
                        formula="wd ratio of constant tau, over the tau ratio",
                    )
                },
            )
        )
    assumed = [Assumption(field=name, value=1.0, source="not stated: unchanged") for name in pairs if name not in ratios]
    return Result(
        tool="hyperparameters",
        task="hyperparameters",
        headline=list(values),
        values=values,
        alternatives=others,
        assumptions=assumed,
        reasons=["AdamW's averaging time, in epochs, is held constant."],
    )


def carry_rate(request: HyperparametersRequest, laws: LawBook) -> Result:
    """A tuned rate at another horizon and the same batch (Bjorck et al. 2024)."""
    given = {"lr1": request.learning_rate or 1.0, "D1": request.tokens_before, "D2": request.tokens}
    found = evaluate(laws.get("bjorck2024_horizon"), "transfer", given).values["lr2"]
    label = "peak learning rate" if request.learning_rate is not None else "factor on the tuned rate"
    return Result(
        tool="hyperparameters",
        task="hyperparameters",
        headline=["lr" if request.learning_rate is not None else "lr_ratio"],
        values={"lr" if request.learning_rate is not None else "lr_ratio": found.model_copy(update={"label": label})},
        reasons=["The batch stays; the rate falls with the horizon."],
    )
