"""`downstream`: benchmark scores from size and tokens, compute or loss, and how far such forecasts are to be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from knowledge.shapes import model as known_model
from tools._law_values import arithmetic, law_numbers, law_value, number, table
from tools.conventions import param_counts
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.convert import in_words
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value

LADDER, FAMILIES, ERROR_LAW, FORECASTS, ALLOCATION = (
    "bhagia2024_ladder",
    "ruan2024_observational",
    "gadre2024",
    "owen2024_benchmarks",
    "besiroglu2024",
)
# Published relative error of the accuracy on the 13B, 5T-token target (Bhagia et al. 2024).
_TASKS = {
    "mmlu": ("MMLU (5-shot, ranked classification)", 0.007),
    "hellaswag": ("HellaSwag", 0.025),
    "arc_challenge": ("ARC-Challenge", 0.175),
    "arc_easy": ("ARC-Easy", 0.114),
    "piqa": ("PIQA", 0.011),
    "commonsenseqa": ("CommonsenseQA", 0.047),
    "socialiqa": ("SocialIQA", 0.027),
    "openbookqa": ("OpenBookQA", 0.078),
}
# One task's luck on one target says little: no interval is narrower than the mean error of the eight tasks.
_MEAN_ERROR = sum(error for _, error in _TASKS.values()) / len(_TASKS)
_BASIS = "published relative error on the 13B target, of the task or the mean of eight, whichever is larger"
_SCORES = ("MMLU", "ARC_C", "HellaSwag", "Winogrande", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
_MODERN = (
    "family_llama_2",
    "family_qwen1_5",
    "family_llama_3_1",
    "family_gemma_2",
)  # families whose data and recipe are nearest to today's
_FAMILY_FLOPS = (5e21, 2e25)  # outside, the recent families have no models and their lines leave the range of scores
_LADDER_TOP_FLOPS = K * 1.279e9 * 2.56e11


class DownstreamRequest(ToolRequest):
    """A model to be trained, or its loss; fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    observed_loss: float | None = Field(default=None, gt=0)
    benchmark: str | None = Field(default=None, description="a task of the ladder, or a benchmark of the public model families")
    target_accuracy: float | None = Field(default=None, gt=0, lt=1, description="accuracy to reach, for the tokens it takes")
    model: str | None = None
    law: str | None = None


@dataclass
class _Case:
    """Size, tokens and compute, completed, with what was assumed."""

    N: float | None
    D: float | None
    C: float | None
    assumptions: list[Assumption] = field(default_factory=list[Assumption])


@tool(task="downstream", title="What benchmark scores to expect")
def downstream(request: DownstreamRequest, laws: LawBook) -> Result:
    """Task accuracies by the OLMo ladder (Bhagia et al. 2024), score profiles of public families (Ruan et al. 2024), top-1 error from a
    loss (Gadre et al. 2024), and the errors of such forecasts (Owen 2024). Without a size, compute or loss only the last."""
    if request.observed_loss is not None:
        return _from_loss(request, laws)
    case = _of_model(request, laws) if request.model is not None else _complete(request, laws)
    values: dict[str, Value] = {}
    tables: list[Table] = []
    headline: list[str] = []
    if case.N is not None and case.D is not None:
        values |= _ladder_values(laws, case, request.benchmark)
        headline = [_ladder_key(request.benchmark)] if request.benchmark is None or _ladder_key(request.benchmark) in values else []
        tables.append(_ladder_table(laws, case))
    if case.C is not None and _FAMILY_FLOPS[0] <= case.C <= _FAMILY_FLOPS[1]:
        tables.append(_profiles(laws, case.C))
        values |= _family_values(laws, case.C)
        headline += [
            key
            for key in dict.fromkeys((_family_key(request.benchmark), "mmlu", "gsm8k", "humaneval"))
            if key in values and key not in headline
        ][:3]
    errors = {
        f"forecast_error_{key}": law_value(
            laws,
            FORECASTS,
            "forecast_error",
            {"decades": 1.0},
            variant=variant,
            label=f"mean error of {what} one decade of compute out, points",
        )
        for key, variant, what in (("aggregate", "aggregate", "an aggregate"), ("single", "single_task", "a single task"))
    }
    if request.target_accuracy is not None:
        found = _tokens_for(request, laws)
        values |= found
        headline = [*found, *headline]
    return Result(
        tool="downstream",
        task="downstream",
        headline=headline or list(errors),
        values=values | errors,
        tables=tables,
        assumptions=case.assumptions,
        alternatives=_alternatives(laws, case),
        warnings=_warnings(case),
        reasons=_reasons(case),
    )


def _of_model(request: DownstreamRequest, laws: LawBook) -> _Case:
    """A known model: its published training tokens where none are stated, and its count without vocabulary tables for the ladder."""
    shape = known_model(request.model or "")
    size = request.params_total or shape.params_total
    stated = request.tokens or request.tokens_per_param or request.compute_flops
    tokens = request.tokens if stated else shape.training_tokens
    case = _complete(request.model_copy(update={"params_total": size, "tokens": tokens}), laws)
    if not stated and tokens is not None:
        case.assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source=f"published for {shape.name or shape.id}"))
    if size is not None and size == shape.params_total:
        counts = param_counts(size, model_name=shape.id)
        case.N = counts.nonembedding
        case.assumptions.append(counts.assumption)
    return case


def _complete(request: DownstreamRequest, laws: LawBook) -> _Case:
    N, D, C = request.params_total, request.tokens, request.compute_flops
    if D is None and N is not None and request.tokens_per_param is not None:
        D = request.tokens_per_param * N
    if N is not None and D is not None:
        return _Case(N, D, K * N * D)
    if C is not None and (N is not None or D is not None):
        return _Case(N or C / (K * (D or 1.0)), D or C / (K * (N or 1.0)), C)
    source = "compute-optimal by Besiroglu et al. 2024; state it, as deployed models are trained on many more tokens"
    if C is not None:
        best = law_numbers(laws, ALLOCATION, "optimum", {"C": C})
        case = _Case(float(best["N"]), float(best["D"]), C)
        case.assumptions += [
            Assumption(field="params_total", value=case.N, unit="params", source=source),
            Assumption(field="tokens", value=case.D, unit="tokens", source=source),
        ]
        return case
    if N is not None:
        best = law_numbers(laws, ALLOCATION, "optimum_for_params", {"N": N})
        return _Case(
            N, float(best["D"]), float(best["C"]), [Assumption(field="tokens", value=float(best["D"]), unit="tokens", source=source)]
        )
    return _Case(None, D, None)


def _ladder_key(benchmark: str | None) -> str:
    plain = "".join(ch for ch in (benchmark or "mmlu").lower() if ch.isalnum())
    found = next(
        (
            task
            for task in _TASKS
            if task.replace("_", "") in (plain, plain.replace("arcc", "arcchallenge"), plain.replace("arce", "arceasy"))
        ),
        plain,
    )
    return f"accuracy_{found}"


def _family_key(benchmark: str | None) -> str:
    return "".join(ch for ch in (benchmark or "").lower() if ch.isalnum())


def _ladder_values(laws: LawBook, case: _Case, benchmark: str | None) -> dict[str, Value]:
    values: dict[str, Value] = {}
    given = {"N": case.N, "D": case.D}
    for task, (label, error) in _TASKS.items():
        value = law_value(laws, LADDER, "accuracy", given, "accuracy", task, label)
        accuracy = number(value)
        width = accuracy * max(error, _MEAN_ERROR)
        values[f"accuracy_{task}"] = value.model_copy(
            update={"low": max(0.0, accuracy - width), "high": min(1.0, accuracy + width), "interval_basis": _BASIS}
        )
    asked = _ladder_key(benchmark).removeprefix("accuracy_")
    for task in dict.fromkeys(("mmlu", asked if asked in _TASKS else "mmlu")):
        label = f"{_TASKS[task][0]} task loss, bits per byte of the right answer"
        values[f"task_loss_{task}"] = law_value(laws, LADDER, "accuracy", given, "task_loss", task, label)
    if benchmark is not None and asked in _TASKS:  # the benchmark asked about, under names that do not depend on it
        values |= {"accuracy": values[f"accuracy_{asked}"], "task_loss_bits_per_byte": values[f"task_loss_{asked}"]}
    return values


def _ladder_table(laws: LawBook, case: _Case) -> Table:
    rows: list[list[Any]] = []
    for task, (label, error) in _TASKS.items():
        out = law_numbers(laws, LADDER, "accuracy", {"N": case.N, "D": case.D}, task)
        rows.append([label, float(out["task_loss"]), float(out["accuracy"]), error])
    columns = {
        "task": ("task", ""),
        "task_loss": ("task loss", "bits/byte"),
        "accuracy": ("accuracy", ""),
        "relative_error": ("published relative error", ""),
    }
    return table(
        "ladder",
        "OLMo ladder: accuracy by task",
        columns,
        rows,
        "ranked-classification accuracy of an OLMo-2-like model; other recipes and chain-of-thought formats score differently",
    )


def _family_name(card: LawCard, key: str) -> str:
    """A family's name without the statistics of its line."""
    return card.variants[key].label.removeprefix("family line ").split(" (")[0]


def _profiles(laws: LawBook, C: float) -> Table:
    rows: list[list[Any]] = []
    card = laws.get(FAMILIES)
    for key in card.variants_of("family"):
        score = law_numbers(laws, FAMILIES, "family", {"C": C}, key)["PC1"]
        profile = law_numbers(laws, FAMILIES, "scores", {"PC1": score})
        rows.append([_family_name(card, key), float(score), *(float(profile[name]) for name in _SCORES)])
    columns = {"family": ("family", ""), "PC1": ("capability", ""), **{name: (name, "") for name in _SCORES}}
    return table(
        "families", f"Score profile of public families at {in_words(C)} FLOP", columns, rows, "one component only; clipped to 0..1"
    )


def _family_values(laws: LawBook, C: float) -> dict[str, Value]:
    """Scores at this compute: middle and range over the recent families."""
    card = laws.get(FAMILIES)
    keys = [key for key in _MODERN if key in card.variants]
    scores = np.array([float(law_numbers(laws, FAMILIES, "family", {"C": C}, key)["PC1"]) for key in keys])
    profile = law_numbers(laws, FAMILIES, "scores", {"PC1": scores})
    basis = "range over " + ", ".join(_family_name(card, key) for key in keys)
    outside = [] if C <= 1e25 else [f"C = {in_words(C)} is above the fitted 1e25"]
    return {
        key: arithmetic(
            float(np.median(profile[name])),
            f"{name} of recent public families at this compute",
            "",
            "accuracy",
            "score = mean + load PC1, PC1 = slope ln(C/1e21) + icpt",
            "Ruan et al. 2024, arXiv:2405.10938",
            law=FAMILIES,
            relation="scores",
            inputs={"C": C},
            low=float(np.min(profile[name])),
            high=float(np.max(profile[name])),
            interval_basis=basis,
            outside=outside,
        )
        for key, name in (("gsm8k", "GSM8K"), ("humaneval", "HumanEval"), ("hellaswag", "HellaSwag"), ("mmlu", "MMLU"))
    }


def _tokens_for(request: DownstreamRequest, laws: LawBook) -> dict[str, Value]:
    task = _ladder_key(request.benchmark).removeprefix("accuracy_")
    if task not in _TASKS or request.params_total is None:
        raise InputError("target_accuracy", "needs a size and a task of the ladder", f"give params_total and one of {', '.join(_TASKS)}")
    out = law_numbers(laws, LADDER, "tokens_for_accuracy", {"target_accuracy": request.target_accuracy, "N": request.params_total}, task)
    label = f"tokens to an accuracy of {request.target_accuracy:g} on {_TASKS[task][0]}"
    if not np.isfinite(out["D"]):
        return {
            "tokens_for_accuracy": arithmetic("out of reach at this size", label, law=LADDER, relation="tokens_for_accuracy", variant=task)
        }
    return {
        "tokens_for_accuracy": law_value(
            laws, LADDER, "tokens_for_accuracy", {"target_accuracy": request.target_accuracy, "N": request.params_total}, "D", task, label
        )
    }


def _alternatives(laws: LawBook, case: _Case) -> list[Alternative]:
    if case.C is None or not _FAMILY_FLOPS[0] <= case.C <= _FAMILY_FLOPS[1]:
        return []
    card = laws.get(FAMILIES)
    found: list[Alternative] = []
    for key in (name for name in _MODERN if name in card.variants):
        capability = law_value(laws, FAMILIES, "family", {"C": case.C}, variant=key)
        mmlu = law_value(laws, FAMILIES, "scores", {"PC1": capability.value}, "MMLU", label="MMLU")
        found.append(Alternative(name=f"{_family_name(card, key)} at this compute", values={"mmlu": mmlu}))
    return found


def _from_loss(request: DownstreamRequest, laws: LawBook) -> Result:
    """Average top-1 error at a C4 loss (Gadre et al. 2024) and, where the loss names a corpus, what it is on others."""
    relation = next(
        (
            name
            for name, rel in laws.get(ERROR_LAW).relations.items()
            if any(var.quantity == "error_rate" for var in rel.outputs.values()) and len(rel.inputs) == 1
        ),
        None,
    )
    if relation is None:
        raise InputError("observed_loss", "the law base has no relation from loss to error", "give params_total and tokens instead")
    rel = laws.get(ERROR_LAW).relations[relation]
    loss_name = next(iter(rel.inputs))
    value = law_value(laws, ERROR_LAW, relation, {loss_name: request.observed_loss}, label="average top-1 error over the paper's 17 tasks")
    assumptions = [
        Assumption(field="corpus", value="C4 eval", source="the error law reads the loss on C4; a loss on another corpus does not fit in")
    ]
    return Result(
        tool="downstream",
        task="downstream",
        headline=["top1_error"],
        values={"top1_error": value},
        assumptions=assumptions,
        warnings=[
            Notice(
                level="caution",
                text="Holds for averages over many tasks, not for a single one, and only for a loss measured as in the paper.",
                source="Gadre et al. 2024, arXiv:2403.08540",
            )
        ],
        reasons=["Average error falls exponentially as the loss falls."],
    )


def _warnings(case: _Case) -> list[Notice]:
    found: list[Notice] = []
    if case.C is not None and case.C > _LADDER_TOP_FLOPS:
        decades = float(np.log10(case.C / _LADDER_TOP_FLOPS))
        found.append(
            Notice(
                level="caution",
                text=(
                    f"{decades:.1f} decades of compute beyond the ladder's largest run; per decade expect about 18 points of error on a"
                    " single task and 6 on an aggregate (Owen 2024)."
                ),
                source="Owen 2024, arXiv:2401.04757",
            )
        )
    if case.N is not None:
        found.append(
            Notice(
                level="info",
                text=(
                    "The ladder counts non-embedding parameters and scores by ranked classification (RC); scores with generated answers"
                    " differ."
                ),
                source="Bhagia et al. 2024, arXiv:2412.04403",
            )
        )
    if case.C is not None:
        found.append(
            Notice(
                level="caution",
                text=(
                    "Family profiles carry the data and contamination of those families; code and math scores depend on the data more"
                    " than on compute, so do not promise them."
                ),
                source="Ruan et al. 2024, arXiv:2405.10938",
            )
        )
    return found


def _reasons(case: _Case) -> list[str]:
    if case.N is None:
        return ["No size, compute or loss was stated, so only the errors of such forecasts can be given."]
    return [
        "The task loss is smooth in size and tokens, so it is forecast first and turned into accuracy last.",
        "Public families show what real recipes reached with this compute, including on math and code, which the ladder does not cover.",
    ]
