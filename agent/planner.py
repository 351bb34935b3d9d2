"""From a brief to tool calls: which tools answer the task, and with which of the stated fields."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from agent.brief import Brief
from agent.state import Context, Step
from knowledge.errors import InputError
from knowledge.glossary import terms_in
from knowledge.shapes import model
from tools.registry import MODULES, get_tool
from tools.result import Result

MAX_CASES = 12
# Parts of a set-up: lists of one length are alternatives stated side by side ("64 A100 at $1.5/h or 32 H100 at $3/h") and are paired, not crossed.
PAIRED = ("accelerator", "n_accelerators", "price_per_accelerator_hour_usd", "accelerator_hours", "duration_seconds")

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
    "memory": (),
}

# Statements that make a budget question joint: size, width, hardware and money are then decided together by the tool `plan`.
JOINT = ("n_accelerators", "budget_usd", "price_per_million_tokens_usd", "memory_bytes", "latency_ms_per_token", "weight_bits")
_DIRECT = ("params_total", "tokens", "tokens_per_param", "models", "laws")

# A field the question leaves open is taken from the value of the same name in an earlier result.
CHAINED = ("params_total", "params_active", "tokens", "compute_flops", "weight_bits", "batch_tokens", "accelerator_hours")
# What a joint plan decides replaces what the question states as a limit, in the steps that follow: 2e23 FLOP spent of 3e23 allowed.
DECIDED = (*CHAINED, "accelerator", "n_accelerators")
# The run whose time was found is the one whose memory is told: the same devices, context and batch.
_SAME_RUN = ("n_accelerators", "sequence_length")


def plan_steps(brief: Brief, question: str = "") -> list[Step]:
    """Tool calls for every task of the brief, in order; list-valued fields become one call per combination."""
    steps: list[Step] = []
    tasks: list[str] = [brief.task, *(brief.also or [])]
    for position, task in enumerate(tasks):
        tool = tool_for(task, brief)
        if tool not in MODULES:
            continue
        extra = {"terms": terms_in(question)} if tool == "explain" and terms_in(question) else {}
        steps += [Step(tool, "asked", case, extra) for case in _cases(brief, tool)]
        if position == 0 and len(steps) == 1:
            steps += [
                Step(tool, f"follows from {task}")
                for tool, fields in FOLLOW_UPS.get(task, ())
                if tool in MODULES and (not fields or any(getattr(brief, f) is not None for f in fields))
            ]
    asked = {step.tool for step in steps if step.asked}
    return [step for step in steps if step.asked or step.tool not in asked]


def tool_for(task: str, brief: Brief) -> str:
    """The tool that answers a task: its namesake, or the joint planner for a budget with limits beyond it."""
    joint = any(getattr(brief, name) is not None for name in JOINT) and all(getattr(brief, name) is None for name in _DIRECT)
    return "plan" if task == "allocate" and joint and "plan" in MODULES else task


def _cases(brief: Brief, task: str) -> Iterator[dict[str, Any]]:
    """The compared values of a brief: one dict of the list-valued fields per combination (an empty one when nothing is compared)."""
    takes = get_tool(task).request.model_fields
    stated = brief.stated()
    compared = {
        name: value
        for name, value in stated.items()
        if isinstance(value, list) and name in {*takes, "models", "laws"} and len(value) > 1 and not _accepts_list(task, name)
    }
    set_ups, crossed = _paired(compared)
    cases = [
        {**set_up, **dict(zip(crossed, combination, strict=True))}
        for set_up in set_ups
        for combination in itertools.product(*crossed.values())
    ]
    if len(cases) > MAX_CASES:
        raise InputError(
            next(iter(compared)), f"the question compares {len(cases)} combinations", f"ask about at most {MAX_CASES} at a time"
        )
    yield from cases


def _paired(compared: dict[str, list[Any]]) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """(set-ups whose parts were stated side by side, the lists that are crossed with them): an accelerator's list pairs with those as long as itself."""
    parts = {name: compared[name] for name in PAIRED if name in compared}
    lengths = {len(values) for values in parts.values()}
    if "n_accelerators" not in parts or len(parts) < 2 or len(lengths) > 1:
        return [{}], compared
    set_ups = [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]
    return set_ups, {name: values for name, values in compared.items() if name not in parts}


def _accepts_list(task: str, name: str) -> bool:
    field = get_tool(task).request.model_fields.get(name)
    return field is not None and "list" in str(field.annotation)


def fields_for(step: Step, brief: Brief, results: list[Result], context: Context) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of one call: the case's, else what the question states, else what a named model is, else an earlier result's.

    The second dict names, for each field taken from an earlier result, the tool it came from.
    """
    takes = get_tool(step.tool).request.model_fields
    stated = {
        name: value[0] if isinstance(value, list) and value and not _accepts_list(step.tool, name) else value
        for name, value in brief.stated().items()
    }
    fields = {**(brief.details or {}), **stated, **step.case, **step.fields}
    law = step.case.get("laws") or context.law or (brief.laws[0] if brief.laws else None)
    if law is not None:
        fields["law"] = law
    name = fields.get("models")
    if isinstance(name, str):
        fields |= {"model": name}
        shape = model(name)
        fields.setdefault("params_total", shape.params_total)
        if shape.params_active and shape.params_active != shape.params_total:
            fields.setdefault("params_active", shape.params_active)
    chained: dict[str, str] = {}
    if not step.asked or brief.task != get_tool(step.tool).task:
        for result in results:
            for key in _passed_on(step, result):
                if key in takes and (key not in fields or result.tool == "plan"):
                    fields[key], chained[key] = result.values[key].value, result.tool
                    fields |= _spread(key, result)
    return {key: value for key, value in fields.items() if key in takes}, chained


def _passed_on(step: Step, result: Result) -> list[str]:
    """Fields a later step takes from a result, where the result has them."""
    keys = DECIDED if result.tool == "plan" else (*CHAINED, *_SAME_RUN) if (result.tool, step.tool) == ("wall_clock", "memory") else CHAINED
    return [key for key in keys if key in result.values] if not result.case else []


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
