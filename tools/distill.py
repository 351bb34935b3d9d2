"""`distill`: distil or train, the teacher it takes, tokens, and what the teacher's forward pass costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from knowledge.shapes import model as known_model
from tools._law_values import arithmetic, law_numbers, law_value, number, table
from tools.convert import in_words
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value

LAW = "busbridge2025_distillation"
NEEDS = (("params_total",),)
_SOURCE = "Busbridge et al. 2025, arXiv:2502.08606"
# Share of the way from the student's own loss to the teacher's that distillation must cover to match plain training at equal compute:
# below the first we say distil, above the second train. Ours: the paper's crossover table is not in the base.
_EASY, _HARD = 0.1, 0.2
_TOKENS_PER_PARAM = (20, 50, 100, 200, 400)
_TEACHER_RATIOS = (1, 2, 4, 8, 16)


class DistillRequest(ToolRequest):
    """A student and what is known of its teacher; fields and units of the brief (params_total is the student)."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    model: str | None = Field(default=None, description="the teacher, if it is a known model")
    teacher_params: float | None = Field(default=None, gt=0)
    teacher_tokens: float | None = Field(default=None, gt=0)
    law: str | None = None


@dataclass
class _Plan:
    """The case worked out: sizes and tokens of student and teacher, and what was assumed on the way."""

    N: float
    D: float
    N_T: float | None
    L_T: float | None
    assumptions: list[Assumption] = field(default_factory=list[Assumption])


@tool(task="distill", title="Whether to distil, from which teacher and on how many tokens", needs=NEEDS)
def distill(request: DistillRequest, laws: LawBook) -> Result:
    """Loss of the student without a teacher, cost of distilling it, and the smallest useful teacher (Busbridge et al. 2025).

    Losses of the distilled student itself come only when the law is asked for by name: its coefficients are recalled. Raises
    MissingInput without a student size.
    """
    plan = _plan(request, laws)
    values: dict[str, Value] = {}
    if request.tokens is None:
        values["tokens"] = _tokens_value(request, laws, plan)
    values["loss_without_teacher"] = law_value(
        laws, LAW, "supervised_loss", {"N": plan.N, "D": plan.D}, label="student's loss when trained without a teacher"
    )
    values |= _cost_values(laws, plan)
    values |= _teacher_values(laws, plan, values)
    decision, why = _decide(plan, values)
    values["decision"] = arithmetic(decision, "recommended:", source=_SOURCE)
    headline = [
        "decision",
        *(["tokens"] if "tokens" in values else []),
        "loss_without_teacher",
        *([k for k in ("tokens_saving_needed", "compute_flops") if k in values]),
        "smallest_teacher_params",
    ]
    return Result(
        tool="distill",
        task="distill",
        headline=headline,
        values=values,
        tables=[_token_table(laws, plan), _teacher_table(laws, plan)],
        alternatives=_recalled(request, laws, plan),
        assumptions=plan.assumptions,
        warnings=_warnings(request, plan),
        reasons=why,
    )


def _plan(request: DistillRequest, laws: LawBook) -> _Plan:
    N_T, D_T, named = request.teacher_params, request.teacher_tokens, None
    if request.model is not None:
        shape = known_model(request.model)
        named = shape.params_total
        N_T, D_T = N_T or named, D_T or shape.training_tokens
    # The planner fills a missing size from the named model, which here is the teacher.
    if request.params_total is None or (named is not None and request.params_total == named):
        raise MissingInput(NEEDS, "distillation (the student's size)")
    N = request.params_total
    if N_T is not None and N_T <= N:
        raise InputError(
            "teacher_params",
            f"the teacher ({in_words(N_T, 'params')} params) is not larger than the student ({in_words(N, 'params')})",
            "a teacher has to be the better model",
        )
    D, assumptions = _tokens(request, laws, N, N_T)
    L_T = None
    if N_T is not None:
        if D_T is None:
            D_T = float(law_numbers(laws, LAW, "optimal_tokens", {"N": N_T})["D"])
            assumptions.append(
                Assumption(field="teacher_tokens", value=D_T, unit="tokens", source=f"compute-optimal for the teacher's size by {_SOURCE}")
            )
        L_T = float(law_numbers(laws, LAW, "supervised_loss", {"N": N_T, "D": D_T})["L_sup"])
    return _Plan(N, D, N_T, L_T, assumptions)


def _tokens(request: DistillRequest, laws: LawBook, N: float, N_T: float | None) -> tuple[float, list[Assumption]]:
    if request.tokens is not None:
        return request.tokens, []
    if request.tokens_per_param is not None:
        return request.tokens_per_param * N, []
    if request.compute_flops is not None:
        return request.compute_flops / (6 * N + 2 * (N_T or 0.0)), []
    D = float(law_numbers(laws, LAW, "optimal_tokens", {"N": N})["D"])
    return D, [
        Assumption(
            field="tokens",
            value=D,
            unit="tokens",
            source=f"compute-optimal for the student without a teacher, {_SOURCE}; a deployed student is usually given more",
        )
    ]


def _tokens_value(request: DistillRequest, laws: LawBook, plan: _Plan) -> Value:
    if request.compute_flops is not None and request.tokens_per_param is None:
        return arithmetic(
            plan.D,
            "tokens the student sees",
            "tokens",
            "tokens",
            "D = C/(6 N_S + 2 N_T)",
            _SOURCE,
            inputs={"compute_flops": request.compute_flops, "N_S": plan.N, "N_T": plan.N_T or 0.0},
        )
    if request.tokens_per_param is not None:
        return arithmetic(plan.D, "tokens the student sees", "tokens", "tokens", "D = r N")
    return law_value(laws, LAW, "optimal_tokens", {"N": plan.N}, "D", label="tokens, at least (compute-optimal without a teacher)")


def _cost_values(laws: LawBook, plan: _Plan) -> dict[str, Value]:
    if plan.N_T is None:
        return {
            "student_flops": arithmetic(6 * plan.N * plan.D, "compute of the student's own training", "FLOP", "flops", "6 N_S D_S", _SOURCE)
        }
    inputs = {"N_S": plan.N, "D_S": plan.D, "N_T": plan.N_T}
    labels = {
        "C": "compute of distilling, with the teacher's forward pass",
        "student": "of it the student's own training",
        "logits": "of it the teacher's forward pass",
    }
    keys = {"C": "compute_flops", "student": "student_flops", "logits": "teacher_forward_flops"}
    values = {key: law_value(laws, LAW, "cost", inputs, output, label=labels[output]) for output, key in keys.items()}
    saving = (6 * plan.N + 2 * plan.N_T) / (6 * plan.N)
    values["tokens_saving_needed"] = arithmetic(
        saving,
        "times fewer tokens distillation must need to pay for the teacher's forward pass",
        "",
        "ratio",
        "(6 N_S + 2 N_T)/(6 N_S)",
        _SOURCE,
        inputs={"N_S": plan.N, "N_T": plan.N_T},
    )
    values["loss_at_equal_compute"] = law_value(
        laws,
        LAW,
        "supervised_loss",
        {"N": plan.N, "D": plan.D * saving},
        label="loss of the same student trained without a teacher on the compute of distilling",
    )
    return values


def _teacher_values(laws: LawBook, plan: _Plan, values: dict[str, Value]) -> dict[str, Value]:
    own = number(values["loss_without_teacher"])
    smallest = law_value(
        laws,
        LAW,
        "params_for_loss",
        {"L_sup": own},
        "N",
        label="smallest teacher that knows more than the student would alone (compute-optimal)",
    )
    found = {"smallest_teacher_params": smallest}
    if plan.L_T is not None:
        found["teacher_loss"] = arithmetic(
            plan.L_T,
            "teacher's loss by the same law",
            "nats/token",
            "nats_per_token",
            "L = E + (A/N^alpha + B/D^beta)^gamma",
            _SOURCE,
            law=LAW,
            relation="supervised_loss",
            note="as if trained on C4; a real teacher's loss on your data is better measured",
        )
    return found


def _needed_share(plan: _Plan, values: dict[str, Value]) -> float | None:
    if plan.L_T is None or "loss_at_equal_compute" not in values:
        return None
    own, equal = (number(values[key]) for key in ("loss_without_teacher", "loss_at_equal_compute"))
    return (own - equal) / (own - plan.L_T) if own > plan.L_T else float("inf")


def _decide(plan: _Plan, values: dict[str, Value]) -> tuple[str, list[str]]:
    share = _needed_share(plan, values)
    if share is None:
        return "distil only from a teacher that is already there or serves several students; else train the student directly", [
            "A teacher that must be trained for one student costs more than training the student to the same loss.",
            "With enough tokens supervised training reaches the same loss; distillation only gets there sooner.",
        ]
    if share > _HARD:
        return "train the student directly, unless the teacher's outputs are already stored", [
            "At equal compute the teacher's forward pass takes away tokens, and distillation would have to make up more of the gap to the"
            " teacher than it plausibly can."
        ]
    if share > _EASY:
        return "close call: distil a small run of each kind and compare", [
            "At equal compute neither way is clearly better by the supervised law."
        ]
    return "distil", ["The teacher is there and its forward pass costs little against the student's own training."]


def _token_table(laws: LawBook, plan: _Plan) -> Table:
    rows: list[list[Any]] = []
    for ratio in _TOKENS_PER_PARAM:
        D = ratio * plan.N
        loss = float(law_numbers(laws, LAW, "supervised_loss", {"N": plan.N, "D": D})["L_sup"])
        rows.append([ratio, D, loss, 6 * plan.N * D, 2 * plan.N_T * D if plan.N_T else None])
    columns = {
        "tokens_per_param": ("tokens per param", ""),
        "tokens": ("tokens", "tokens"),
        "loss": ("loss without a teacher", "nats/token"),
        "student_flops": ("student's training", "FLOP"),
        "teacher_flops": ("teacher's forward pass", "FLOP"),
    }
    return table("tokens", "What more tokens bring and cost", columns, rows)


def _teacher_table(laws: LawBook, plan: _Plan) -> Table:
    rows: list[list[Any]] = []
    for ratio in _TEACHER_RATIOS:
        best = law_numbers(laws, LAW, "optimal_tokens", {"N": ratio * plan.N})
        rows.append([ratio * plan.N, float(best["D"]), float(best["L_sup"]), float(best["C"]), 2 * ratio * plan.N * plan.D])
    columns = {
        "teacher_params": ("teacher", "params"),
        "teacher_tokens": ("its compute-optimal tokens", "tokens"),
        "teacher_loss": ("its loss", "nats/token"),
        "training": ("training it", "FLOP"),
        "forward": ("its forward pass for the student", "FLOP"),
    }
    return table("teachers", "Teachers by size", columns, rows, "losses as on C4, Busbridge et al. 2025 (supervised law)")


def _recalled(request: DistillRequest, laws: LawBook, plan: _Plan) -> list[Alternative]:
    """The student's loss by recalled coefficients: only where the law was asked for by name."""
    if request.law != LAW:
        return []
    given = {"N_S": plan.N, "D_S": plan.D}
    values = {
        "best_teacher_loss": law_value(laws, LAW, "best_teacher", given, "L_T", "student", "teacher loss that makes the best student"),
        "best_student_loss": law_value(laws, LAW, "best_teacher", given, "L_S", "student", "student's loss with that teacher"),
    }
    values["best_teacher_params"] = law_value(
        laws, LAW, "params_for_loss", {"L_sup": values["best_teacher_loss"].value}, "N", label="compute-optimal teacher of that loss"
    )
    if plan.L_T is not None:
        values["student_loss"] = law_value(
            laws, LAW, "student_loss", {**given, "L_T": plan.L_T}, "", "student", "student's loss with the given teacher"
        )
    return [
        Alternative(
            name="student's loss by recalled coefficients",
            values=values,
            note="coefficients recalled from memory and not confirmed; do not quote",
        )
    ]


def _warnings(request: DistillRequest, plan: _Plan) -> list[Notice]:
    found: list[Notice] = []
    if request.law == LAW:
        found.append(
            Notice(
                level="warning",
                text="The student's loss uses coefficients recalled from memory, not confirmed in any source we reached.",
                source=_SOURCE,
            )
        )
    else:
        found.append(
            Notice(
                level="info",
                text=(
                    f"The distilled student's own loss is left out: its published coefficients are not confirmed. Name the law {LAW} to"
                    " see it."
                ),
                source=_SOURCE,
            )
        )
    if plan.N < 1.43e8 or plan.N > 1.26e10:
        found.append(Notice(level="caution", text="The student lies outside the 143M to 12.6B of the paper.", source=_SOURCE))
    return found
