"""From a brief to tool calls: which tools answer the task, and with which of the stated fields."""

from __future__ import annotations

from typing import Any

from agent.brief import Brief
from agent.comparison import accepts_list, cases
from agent.state import Context, Step
from knowledge.glossary import terms_in
from knowledge.shapes import model
from tools.registry import MODULES, get_tool
from tools.result import Result

# What else a task calls for, once its own tool has run: (tool, fields of which any must be stated; none = always).
FOLLOW_UPS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "allocate": (
        ("model_shape", ()),
        ("batch_size", ()),
        ("hyperparameters", ()),
        ("wall_clock", ("n_accelerators", "accelerator", "duration_seconds", "accelerator_hours")),
        ("cost", ("budget_usd", "accelerator", "price_per_accelerator_hour_usd", "n_accelerators")),
        ("qat", ("price_per_million_tokens_usd", "weight_bits", "memory_bytes")),
        ("serve", ("price_per_million_tokens_usd", "inference_tokens_per_second", "latency_ms_per_token")),
    ),
    "wall_clock": (("cost", ()), ("memory", ("accelerator",))),
}

# Statements that make a budget question joint: size, width, hardware and money are then decided together by the tool `plan`.
JOINT = ("n_accelerators", "budget_usd", "price_per_million_tokens_usd", "memory_bytes", "latency_ms_per_token", "weight_bits")
_DIRECT = ("params_total", "tokens", "tokens_per_param", "models", "laws")

# A field the question leaves open is taken from the value of the same name in an earlier result.
CHAINED = ("params_total", "params_active", "tokens", "compute_flops", "weight_bits", "batch_tokens", "accelerator_hours")
# What a joint plan decides replaces what the question states as a limit, in the steps that follow: 2e23 FLOP spent of 3e23 allowed.
DECIDED = (*CHAINED, "accelerator", "n_accelerators", "n_experts")
# The run whose time was found is the one whose memory is told: the same devices, context and batch.
_SAME_RUN = ("n_accelerators", "sequence_length")
# Steps about one training run, which share the context length that the first of them assumes.
_OF_THE_RUN = frozenset({"model_shape", "batch_size", "wall_clock", "memory", "cost"})
_WIDEST_QAT_BITS = 6  # rounding wider weights after training loses next to nothing (Dremov et al. 2025)
_READ_THE_TABLE = ("rl", "out_of_scope")  # a table of RL holds a reward curve, no runs of a loss
ATTACHED = ("table", "profile")  # fields that hold what comes with a question, not what it states: never told or repeated


def plan_steps(brief: Brief, question: str = "", *, table: bool = False) -> list[Step]:
    """Tool calls for every task of the brief, in order; list-valued fields become one call per case. An attached table is fitted first."""
    tasks: list[str] = [brief.task, *(brief.also or [])]
    steps = [Step("fit", "asked")] if table and brief.task not in _READ_THE_TABLE else []
    tasks = [task for task in tasks if task != "fit" or not steps]
    for position, task in enumerate(tasks):
        tool = tool_for(task, brief)
        if tool not in MODULES:
            continue
        extra = {"terms": terms_in(question)} if tool == "explain" and terms_in(question) else {}
        asked = [Step(tool, "asked", case, extra) for case in cases(brief, tool)]
        steps += asked
        if position == 0 and len(asked) == 1:
            steps += [
                Step(follower, f"follows from {task}")
                for follower, fields in FOLLOW_UPS.get(task, ())
                if not fields or any(getattr(brief, name) is not None for name in fields)
            ]
    asked_for = {step.tool for step in steps if step.asked}
    return [step for step in steps if step.asked or step.tool not in asked_for]


def tool_for(task: str, brief: Brief) -> str:
    """The tool that answers a task: its namesake, or the joint planner for a budget with limits beyond it."""
    joint = any(getattr(brief, name) is not None for name in JOINT) and all(getattr(brief, name) is None for name in _DIRECT)
    return "plan" if task == "allocate" and joint else task


def needless(step: Step, fields: dict[str, Any]) -> bool:
    """Whether a follow-up has nothing to say: quantization-aware training of weights that stay wide, memory of a run without devices."""
    if step.asked:
        return False
    wide = step.tool == "qat" and (fields.get("weight_bits") or 0) > _WIDEST_QAT_BITS
    return wide or (step.tool == "memory" and "n_accelerators" not in fields)


def fields_for(step: Step, brief: Brief, results: list[Result], context: Context) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of one call: the case's, else what the question states, else what a named model is, else an earlier result's.

    The second dict names, for each field taken from an earlier result, the tool it came from.
    """
    takes = get_tool(step.tool).request.model_fields
    stated = {
        name: value[0] if isinstance(value, list) and value and not accepts_list(step.tool, name) else value
        for name, value in brief.stated().items()
    }
    fields = {**(brief.details or {}), **stated, **attached(context), **step.case, **step.fields}
    law = step.case.get("laws") or context.law or (brief.laws[0] if brief.laws else None)
    if law is not None:
        fields["law"] = law
    name = fields.get("models")
    if isinstance(name, str):
        fields = {**_of_model(name), **fields}
    chained: dict[str, str] = {}
    if not step.asked or brief.task != get_tool(step.tool).task:
        for result in results:
            for key in _passed_on(step, result):
                if key in takes and (key not in fields or result.tool == "plan"):
                    fields[key], chained[key] = result.values[key].value, result.tool
                    fields |= _spread(key, result)
    if step.tool in _OF_THE_RUN and "sequence_length" not in fields and (assumed := _assumed_context(results)):
        fields["sequence_length"], chained["sequence_length"] = assumed
    return {key: value for key, value in fields.items() if key in takes}, chained


def _of_model(name: str) -> dict[str, Any]:
    """What a known model's name says."""
    shape = model(name)
    sparse = shape.params_active and shape.params_active != shape.params_total
    return {"model": name, "params_total": shape.params_total, **({"params_active": shape.params_active} if sparse else {})}


def attached(context: Context) -> dict[str, Any]:
    """The fields of calls that hold what comes with a question."""
    table = context.table
    given: dict[str, Any] = {"table": dict(table.columns), "runs": table.name, "group": table.group} if table else {}
    return given | ({"profile": dict(context.profile)} if context.profile else {})


def _passed_on(step: Step, result: Result) -> list[str]:
    """Fields a later step takes from a result, where the result has them."""
    if result.case:
        return []
    keys = DECIDED if result.tool == "plan" else CHAINED
    if (result.tool, step.tool) == ("wall_clock", "memory"):
        keys = (*keys, *_SAME_RUN)
    if result.tool == "model_shape":  # laws that count without vocabulary tables are asked about the shape that was designed
        keys = (*keys, "params_nonembedding")
    return [key for key in keys if key in result.values]


def _assumed_context(results: list[Result]) -> tuple[Any, str] | None:
    """The context length an earlier step assumed for the run, and that step's tool."""
    assumed = (
        (item.value, result.tool) for result in results if not result.case for item in result.assumptions if item.field == "sequence_length"
    )
    return next(assumed, None)


def _spread(key: str, result: Result) -> dict[str, Any]:
    """The interval of a value passed on, for a tool that takes it."""
    value = result.values[key]
    return {} if value.low is None or value.high is None else {f"{key}_low": value.low, f"{key}_high": value.high}


def attribute(result: Result, chained: dict[str, str]) -> Result:
    """A result whose values taken from an earlier step name that step as their source, not the question."""
    renamed = {
        key: value.model_copy(update={"source": f"from {chained[key].replace('_', ' ')}"})
        for key, value in result.values.items()
        if key in chained and not value.law
    }
    return result.model_copy(update={"values": {**result.values, **renamed}})
