"""Rows of a serving table (the schema of inference_measured.csv) as cases, with every gap filled by a stated assumption.

Columns that hold a measured answer are removed before anything else is looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape, model
from tools.systems.design import design_shape
from tools.systems.kv_cache import serving_shape
from tools.systems.parts import CORES, generation_of
from tools.systems.rows import number, strip_answers, text
from tools.systems.serving_case import OUTPUT, PROMPT, Case, Precision, fits, layouts, precision_for, replica
from tools.systems.serving_efficiency import serving_family

# MLPerf Inference v5.1, rules: mean prompt and answer of each data set, and the limits of seconds per token (server, interactive).
_MLPERF: dict[str, tuple[float, float, float, float]] = {
    "llama-2-70b": (294.0, 290.0, 0.200, 0.040),
    "llama-3.1-405b": (9428.0, 650.0, 0.175, 0.080),
    "llama-3-8b": (778.0, 128.0, 0.100, 0.030),
    "llama-3.1-8b": (778.0, 128.0, 0.100, 0.030),
    "mixtral-8x7b": (400.0, 145.0, 0.200, 0.200),
    "deepseek-r1": (800.0, 3700.0, 0.080, 0.080),
}


def case_of(row: Mapping[str, Any]) -> Case:
    """A row as a case. Raises InputError when neither the model nor its size is known."""
    row = strip_answers(row)
    assumed: list[str] = []
    part, fraction = _part(row, assumed)
    shape = _shape(row)
    how = _precision(row, part)
    scenario = text(row, "scenario")
    prompt, output = _lengths(row, shape, scenario, assumed)
    batch = number(row, "batch_or_concurrency")
    if batch is None and re.search(r"batch 1|real time|single", scenario):
        batch = 1.0
    replicas, copies = _layout(row, shape, part, how, fraction, assumed)
    limit, deadline = _latency(shape, scenario)
    return Case(
        replicas=tuple(replicas),
        copies=tuple(copies),
        prompt=prompt,
        output=output,
        batch=batch if batch is not None else math.nan,
        tpot_limit=limit,
        deadline=deadline,
        decode_only="decode" in scenario,
        generation=generation_of(part.id),
        family=serving_family(text(row, "framework")),
        regime="batch-1" if batch == 1 else "load" if batch is not None else "open",
        part_id=part.id,
        assumptions=assumed,
    )


def _part(row: Mapping[str, Any], assumed: list[str]) -> tuple[Accelerator, float]:
    """(part, share of the package): a row may name one GCD or core of a package."""
    name = text(row, "accelerator")
    try:
        part = accelerator(re.sub(r"\s*\(.*\)", "", name))
    except InputError:
        assumed.append(f"accelerator {name!r} is unknown: an H100 is taken")
        part = accelerator("h100-sxm")
    single = "gcd" in name or "one core" in name
    return part, 1.0 / CORES.get(part.id, 1) if single else 1.0


def _shape(row: Mapping[str, Any]) -> ModelShape:
    name = text(row, "model").rstrip("?")
    try:
        return model(name)
    except InputError:
        size, active = _sizes(row, name)
        if size is None:
            raise InputError("model", f"{name[:60]!r} is unknown and the row has no params_total", "give params_total") from None
        return design_shape(size, params_active=active)


def _sizes(row: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    """(params, active params) from their columns, else from a name such as 70B or 235B-A22B."""
    named = re.search(r"(\d+(?:\.\d+)?)b\b", name)
    active = re.search(r"a(\d+(?:\.\d+)?)b\b", name)
    return (
        number(row, "params_total") or (float(named[1]) * 1e9 if named else None),
        number(row, "params_active") or (float(active[1]) * 1e9 if active else None),
    )


def _precision(row: Mapping[str, Any], part: Accelerator) -> Precision:
    label = text(row, "precision")
    bits = number(row, "weight_bits") or (4.0 if "4" in label else 8.0 if "8" in label else 16.0)
    return precision_for(min(bits, 32.0), part, label="int8" if "weights int8" in label else label)


def _lengths(row: Mapping[str, Any], shape: ModelShape, scenario: str, assumed: list[str]) -> tuple[float, float]:
    known = _MLPERF.get(shape.id) if "mlperf" in scenario else None
    prompt, output = number(row, "input_len"), number(row, "output_len")
    if prompt is None:
        prompt = known[0] if known else 16.0 if "decode" in scenario else PROMPT
        assumed.append(f"prompts of {prompt:g} tokens")
    if output is None:
        output = known[1] if known else OUTPUT
        assumed.append(f"answers of {output:g} tokens")
    return prompt, output


def _latency(shape: ModelShape, scenario: str) -> tuple[float, bool]:
    """(limit in s per token, whether it must hold as requests arrive)."""
    known = _MLPERF.get(shape.id, (0.0, 0.0, 0.2, 0.05))
    if "interactive" in scenario:
        return known[3], True
    if "server" in scenario:
        return known[2], True
    return math.inf, False


def _layout(
    row: Mapping[str, Any], shape: ModelShape, part: Accelerator, how: Precision, fraction: float, assumed: list[str]
) -> tuple[list[Any], list[float]]:
    """Candidate replicas and how many copies of each the devices hold."""
    devices = max(1.0, round(number(row, "n_accelerators") or 1.0))
    tensor, stages, expert = number(row, "tp"), number(row, "pp"), number(row, "ep")
    view = serving_shape(shape)
    if tensor is None and stages is None and expert is None and devices > 1:
        assumed.append("the layout with the highest throughput")
        options = layouts(part, devices, view)
        held = [(ranks, spread) for ranks, spread in options if fits(replica(view, part, how, ranks, spread=spread))] or options[-1:]
        return [replica(view, part, how, ranks, spread=spread, fraction=fraction) for ranks, spread in held], [
            float(devices // ranks) for ranks, _ in held
        ]
    ranks = min(tensor or max(expert or 1.0, 1.0), devices)  # cores of a package work together: two cores are one device here
    spread = 1.0 if (expert or 1.0) > (tensor or 1.0) else 0.0
    ranks = min(max(ranks, expert or 1.0), devices)
    deep = min(stages or 1.0, devices / ranks)
    return [replica(view, part, how, ranks, stages=deep, spread=spread, fraction=fraction)], [
        max(1.0, math.floor(devices / (ranks * deep)))
    ]
