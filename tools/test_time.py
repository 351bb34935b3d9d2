"""`test_time`: coverage of repeated sampling, what a verifier makes of it, its cost, and when it replaces a bigger model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.hardware import accelerator
from knowledge.library import LawBook
from knowledge.shapes import model as known_model
from tools._draft import Draft
from tools._law_values import arithmetic, coefficient, law_numbers, law_value, law_with, table
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Value

COVERAGE, KINETICS, EXCHANGE, SIZES, VERIFIER = (
    "brown2024_monkeys",
    "sadhukhan2025_kinetics",
    "villalobos2023_tradeoff",
    "snell2024_testtime",
    "stroebl2024_flaws",
)
ALLOCATION = "besiroglu2024"
NEEDS = (
    ("pass_rate",),
    ("samples", "output_tokens", "params_total"),
    ("samples", "output_tokens", "model"),
    ("compute_flops", "inference_tokens"),
    ("params_total", "inference_tokens"),
    ("samples", "model"),
    ("params_total", "output_tokens"),
    ("model", "output_tokens"),
)
_TARGETS = (0.5, 0.8, 0.9, 0.95)
_SOUNDNESS = (1.0, 0.99, 0.95, 0.9, 0.75)
_MOST = 0.9
_BEYOND = 1e6
# "Far fewer" and "far more" inference than pretraining tokens: the paper's figures have 0.16, 0.79 and 22.
_FEW, _MANY = 0.3, 3.0
_SIZE_MULTIPLES = (2.0, 4.0, 8.0, 14.0)


_BROWN = "Brown et al. 2024, arXiv:2407.21787"
_WHY_SLOWER = (
    "Problems differ in difficulty, so the share solved grows slower than independent tries on one problem would;"
    " the curve starts at the stated pass rate."
)
_MEASURE = "The exponent depends on model and task; measure the share solved at one more number of samples and the interval shrinks."


class TestTimeRequest(ToolRequest):
    """What is known of sampling at inference; fields and units of the brief."""

    __test__ = False  # not a pytest class, whatever its name

    pass_rate: float | None = Field(default=None, gt=0, lt=1)
    samples: float | None = Field(default=None, ge=1, le=1e9)
    params_total: float | None = Field(default=None, gt=0)
    params_active: float | None = Field(default=None, gt=0)
    model: str | None = None
    input_tokens: float | None = Field(default=None, ge=0)
    output_tokens: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0, description="pretraining compute")
    tokens: float | None = Field(default=None, gt=0, description="pretraining tokens")
    inference_tokens: float | None = Field(default=None, gt=0)
    accelerator: str | None = None
    completeness: float = Field(default=1.0, gt=0, le=1, description="share of right answers the verifier accepts")
    soundness: float | None = Field(default=None, ge=0, le=1, description="share of wrong answers the verifier rejects")
    wrong_value: float = Field(default=-1.0, le=0, description="value of a wrong accepted answer; a right one is worth 1")
    pass_rates: list[float] | None = Field(default=None, description="pass rates of task types of different difficulty, with `shares`")
    shares: list[float] | None = Field(default=None, description="share of each task type")
    law: str | None = None


@tool(task="test_time", title="What repeated sampling brings and costs", needs=NEEDS)
def test_time(request: TestTimeRequest, laws: LawBook) -> Result:
    """Coverage at k samples (Brown et al. 2024), imperfect verifiers (Stroebl et al. 2024), cost (Sadhukhan et al. 2025), and the
    exchange with training (Snell et al. 2024, Villalobos and Atkinson 2023). Raises MissingInput when nothing follows from the fields."""
    draft = Draft()
    if request.pass_rate is not None:
        _coverage(request, laws, draft)
        _verifier(request, laws, draft)
    elif request.model is not None and request.samples is not None:
        _published(request.model, request.samples, laws, draft)
    if request.output_tokens is not None and (request.params_total or request.params_active or request.model):
        _cost(request, laws, draft)
    if request.pass_rate is not None and request.samples is not None and request.samples > 1:
        _against_training(request, laws, draft)
    if request.inference_tokens is not None:
        _against_size(request, laws, draft)
    if not draft.values:
        raise MissingInput(NEEDS, "repeated sampling")
    return draft.result("test_time")


test_time.__test__ = False  # type: ignore[attr-defined]  # the same, for pytest


def _published(name: str, k: float, laws: LawBook, draft: Draft) -> None:
    """Coverage of a model that Brown et al. sampled, by its own published fit; nothing for other models."""
    card = laws.get(COVERAGE)
    own = [key for key in card.variants_of("coverage") if key.startswith(name.replace("-", "_").replace(".", "_"))]
    for key in own:
        label = f"share of problems {card.variants[key].label} solves in {k:g} samples"
        draft.values[f"coverage_{key}"] = law_value(laws, COVERAGE, "coverage", {"k": k}, "coverage", key, label)
        draft.headline.append(f"coverage_{key}")
    if own:
        draft.reasons.append(_MEASURE)


def published_exponents(laws: LawBook) -> dict[str, float]:
    """Exponent b of the coverage law by published fit."""
    card = laws.get(COVERAGE)
    return {key: coefficient(card, key, "b") for key in card.variants_of("coverage")}


@dataclass(frozen=True)
class _Curve:
    """The coverage law anchored at a stated pass rate: a = log(pass@1), the exponent in use and the published spread of it."""

    law: str
    pass_rate: float
    b: float
    spread: Any  # all published exponents, rising

    def coverage(self, k: float, b: Any) -> Any:
        return np.exp(np.log(self.pass_rate) * k**b)

    def samples(self, target: float) -> list[float]:
        """Samples for a share of problems: in use, steepest, flattest exponent."""
        exponents = np.array([self.b, self.spread[0], self.spread[-1]])
        return [float(k) for k in (np.log(target) / np.log(self.pass_rate)) ** (1 / exponents)]

    def value(self, number: float, label: str, unit: str, formula: str, **more: Any) -> Value:
        inputs = {"pass_rate": self.pass_rate, "b": self.b, **more.pop("inputs")}
        basis = "range of the exponent over published models and tasks"
        return arithmetic(number, label, unit, formula=formula, source=_BROWN, law=self.law, inputs=inputs, interval_basis=basis, **more)


def _curve(request: TestTimeRequest, laws: LawBook, draft: Draft) -> _Curve:
    card = law_with(laws, "coverage", request.law, COVERAGE)
    spread = np.array(sorted(published_exponents(laws).values()))
    published = card.id == COVERAGE
    b = float(np.median(spread)) if published else coefficient(card, card.default_variant or next(iter(card.variants)), "b")
    source = f"median of {spread.size} published fits, {spread[0]:.2f} to {spread[-1]:.2f}; fit your own from pass@1 and one more point"
    draft.assumptions.append(Assumption(field="coverage_exponent", value=b, source=source if published else f"law {card.id}"))
    return _Curve(card.id, request.pass_rate or 0.0, b, spread)


def _coverage(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    """Share of problems solved at the stated samples, and the samples it takes for some shares."""
    curve = _curve(request, laws, draft)
    targets = {share: curve.samples(share) for share in _TARGETS if share > curve.pass_rate}
    if request.samples is not None:
        _at_samples(curve, request.samples, laws, draft)
    elif targets:
        for key, share in (("samples", next(iter(targets))), ("samples_for_most", _MOST)):
            if share not in targets or (key != "samples" and share == next(iter(targets))):
                continue
            k, low, high = targets[share]
            draft.values[key] = curve.value(
                k,
                f"samples per problem until {share:.0%} are solved",
                "attempts",
                "k = (log(c)/log(pass@1))^(1/b)",
                quantity="attempts",
                relation="samples_for_coverage",
                inputs={"coverage": share},
                low=low,
                high=high,
            )
            draft.headline.append(key)
    if targets:
        columns = {"coverage": ("share solved", ""), "samples": ("samples", "attempts")}
        columns |= {"low": ("steepest fit", "attempts"), "high": ("flattest fit", "attempts")}
        rows: list[list[Any]] = [[share, *(k if k < _BEYOND else None for k in found)] for share, found in targets.items()]
        note = "empty: more than a million; an oracle picks the right sample"
        draft.tables.append(table("samples_for_coverage", "Samples per problem for a share of problems solved", columns, rows, note))
    draft.reasons.append(_WHY_SLOWER)
    draft.warnings.append(Notice(level="caution", text=_MEASURE, source=_BROWN))


def _at_samples(curve: _Curve, k: float, laws: LawBook, draft: Draft) -> None:
    edges = curve.coverage(k, curve.spread)
    draft.values["pass_at_k"] = curve.value(
        float(curve.coverage(k, curve.b)),
        f"share of problems solved by at least one of {k:g} samples",
        "",
        "coverage = exp(log(pass@1) k^b)",
        quantity="probability",
        relation="coverage",
        inputs={"k": k},
        low=float(edges.min()),
        high=float(edges.max()),
    )
    label = "if every problem were equally hard (upper bound)"
    draft.values["upper_bound"] = law_value(laws, COVERAGE, "independent", {"p": curve.pass_rate, "k": k}, label=label)
    draft.headline += ["pass_at_k", "upper_bound"]


def _verifier(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    """What happens when answers are accepted by a verifier that errs, on problems of the stated difficulty or difficulties."""
    p, c = request.pass_rate or 0.0, request.completeness
    # Problems of one pass rate are worth resampling for ever or not at all: where c p = (1-p)(1-s)|V| (Stroebl et al. 2024).
    needed = max(0.0, 1 - c * p / ((1 - p) * -request.wrong_value)) if request.wrong_value < 0 else 0.0
    draft.values["soundness_needed"] = arithmetic(
        needed,
        "share of wrong answers a verifier must reject for resampling to pay",
        "",
        "probability",
        "s = 1 - c p/((1-p) |V_fp|)",
        "Stroebl et al. 2024, arXiv:2411.17501",
        inputs={"pass_rate": p, "completeness": c, "wrong_value": request.wrong_value},
    )
    if request.soundness is not None:
        _stated_verifier(request, laws, draft)
    rows: list[list[Any]] = []
    for s in _SOUNDNESS:
        limit = float(law_numbers(laws, VERIFIER, "limit", {"r": p, "completeness": c, "soundness": s})["accuracy_inf"])
        rows.append([s, limit, s > needed or s == 1.0])
    draft.tables.append(
        table(
            "verifier",
            "An imperfect verifier on problems of this pass rate",
            {
                "soundness": ("wrong answers it rejects", ""),
                "accuracy": ("accuracy of endless resampling", ""),
                "pays": ("resampling pays", ""),
            },
            rows,
            f"a wrong accepted answer is worth {request.wrong_value:g}, a right one 1",
        )
    )


def _stated_verifier(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    given: dict[str, Any] = {"r": request.pass_rate, "completeness": request.completeness, "soundness": request.soundness}
    if request.pass_rates and request.shares:
        if len(request.pass_rates) != len(request.shares) or abs(sum(request.shares) - 1) > 1e-6:
            raise InputError("shares", "must be one share per pass rate and add up to 1", f"got {request.shares} for {request.pass_rates}")
        given |= {"r": request.pass_rates, "p": request.shares}
    draft.values["accuracy_limit"] = law_value(
        laws, VERIFIER, "limit", given, label="accuracy of resampling without end with this verifier"
    )
    best = {**given, "K": request.samples or 1, "V_fp": request.wrong_value}
    draft.values["best_attempts"] = law_value(
        laws, VERIFIER, "reward", best, "K_opt", label="attempts beyond which the expected value no longer rises"
    )
    draft.values["best_value"] = law_value(laws, VERIFIER, "reward", best, "reward", label="expected value per problem there")
    draft.headline += ["accuracy_limit", "best_attempts"]
    if not request.shares:
        draft.warnings.append(
            Notice(
                level="caution",
                text=(
                    "This takes all problems to be equally hard; with hard and easy ones mixed the best number of attempts is far lower"
                    " (give pass_rates and shares)."
                ),
                source="Stroebl et al. 2024, arXiv:2411.17501",
            )
        )


def _shape(request: TestTimeRequest, laws: LawBook, draft: Draft) -> dict[str, float]:
    """Shape for the cache traffic: the named model's, else the nearest Qwen3 of the law's own table."""
    if request.model is not None:
        shape = known_model(request.model)
        active = request.params_active or shape.params_active or shape.params_total or request.params_total
        if shape.mla is None and active:
            return {"P": active, "layers": shape.layers, "heads": shape.heads, "kv_heads": shape.kv_heads, "head_dim": shape.head_dim}
    P = request.params_active or request.params_total or known_model(request.model or "").params_active or 0.0
    card = laws.get(KINETICS)
    near = min(card.variants_of("cost"), key=lambda key: abs(np.log(coefficient(card, key, "P") / P)))
    draft.assumptions.append(
        Assumption(
            field="attention_shape",
            value=near,
            source="nearest Qwen3 model of Sadhukhan et al. 2025; a model with another number of key-value heads differs",
        )
    )
    return {**{name: coefficient(card, near, name) for name in card.variants[near].values}, "P": P}


def _cost(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    k, out = request.samples or 1.0, request.output_tokens or 0.0
    if request.input_tokens is None:
        draft.assumptions.append(
            Assumption(field="input_tokens", value=0.0, unit="tokens", source="no prompt length stated; its cost is left out")
        )
    shape = _shape(request, laws, draft)
    draft.values["inference_flops"] = law_value(
        laws,
        COVERAGE,
        "flops",
        {"P": shape["P"], "L_in": request.input_tokens or 0.0, "L_out": out, "k": k},
        label=f"weight FLOP per problem, {k:g} samples",
    )
    given: dict[str, Any] = {**shape, "L_in": request.input_tokens or 0.0, "L_out": out, "N": k}
    if request.accelerator is not None:
        part = accelerator(request.accelerator)
        given["I"] = part.peak("bf16") / part.memory_bandwidth_bytes_per_s
    labels = {
        "total": "FLOP-equivalents per problem with attention and KV-cache traffic",
        "memory": "of it KV-cache traffic",
        "overhead": "attention and cache over weight FLOP",
    }
    for output, label in labels.items():
        draft.values["kinetics_" + output] = law_value(laws, KINETICS, "cost_of_shape", given, output, label=label)
    draft.headline += ["inference_flops", "kinetics_total"]
    draft.reasons.append(
        "Weight FLOP count two per active parameter and token; long generations also pay for reading the cache, which the second figure"
        " prices in FLOP at the device's balance."
    )


def _against_training(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    """Training compute that this many samples stand for, by the span of published trades."""
    decades = float(np.log10(request.samples or 1.0))
    for variant, name in (
        ("expensive_verification", "where checking is as hard as solving"),
        ("cheap_verification", "where answers are cheap to check"),
    ):
        value = law_value(
            laws,
            EXCHANGE,
            "exchange",
            {"inference_OOM": decades},
            "training_factor",
            variant,
            f"times the training compute that {request.samples:g} samples stand for, {name}",
        )
        draft.values["training_factor_" + variant] = value
    draft.headline.append("training_factor_expensive_verification")
    draft.reasons.append(
        "A bigger model pays once in training and a little at every answer, samples pay at every answer: few answers and checkable"
        " problems favour samples, many answers favour size."
    )


def _against_size(request: TestTimeRequest, laws: LawBook, draft: Draft) -> None:
    """How many times its inference tokens the small model may spend before a bigger one costs less in all."""
    N, D = _pretrained(request, laws, draft)
    if D is None:
        return
    inference = request.inference_tokens or 0.0
    R = inference / D
    draft.values["inference_to_pretraining"] = law_value(
        laws, SIZES, "token_ratio", {"D_inference": inference, "D_pretrain": D}, label="inference tokens per pretraining token"
    )
    rows = [
        [M, float(law_numbers(laws, SIZES, "exchange", {"M": M, "R": R})["inference_factor"]), (M * N) if N else None]
        for M in _SIZE_MULTIPLES
    ]
    draft.tables.append(
        table(
            "size_or_samples",
            "What a larger model's money buys in samples of the small one",
            {
                "M": ("larger by", "x"),
                "inference_factor": ("inference tokens the small one may spend", "x"),
                "params": ("larger model", "params"),
            },
            rows,
            "Snell et al. 2024: equal total FLOPs",
        )
    )
    draft.values["inference_factor"] = law_value(
        laws,
        SIZES,
        "exchange",
        {"M": 14.0, "R": R},
        label="times its inference tokens the small model may spend for the cost of one 14 times larger",
    )
    favours = (
        "test-time compute"
        if R < _FEW
        else "a larger model"
        if R > _MANY
        else "test-time compute on easy and medium problems, a larger model on the hardest"
    )
    draft.values["advice"] = arithmetic(favours, "what the ratio favours", source="Snell et al. 2024, arXiv:2408.03314")
    draft.headline += ["advice", "inference_to_pretraining", "inference_factor"]
    draft.reasons.append(
        "With few inference tokens per pretraining token and problems of easy or medium difficulty, test-time compute wins; with many, or"
        " on the hardest problems, the larger model does."
    )


def _pretrained(request: TestTimeRequest, laws: LawBook, draft: Draft) -> tuple[float | None, float | None]:
    N, D, C = request.params_total, request.tokens, request.compute_flops
    if N and D:
        return N, D
    if C is not None and (N or D):
        return (N, C / (K * N)) if N else (C / (K * (D or 1.0)), D)
    relation, given, why = ("optimum", {"C": C}, "compute") if C is not None else ("optimum_for_params", {"N": N}, "size")
    if C is None and N is None:
        return None, D
    best = law_numbers(laws, ALLOCATION, relation, given) if relation in laws.get(ALLOCATION).relations else None
    if best is None:
        return N, None
    N, D = float(best.get("N", N)), float(best["D"])
    draft.assumptions += [
        Assumption(field="params_total", value=N, unit="params", source=f"compute-optimal for the {why}, Besiroglu et al. 2024"),
        Assumption(field="tokens", value=D, unit="tokens", source=f"compute-optimal for the {why}, Besiroglu et al. 2024"),
    ]
    return N, D
