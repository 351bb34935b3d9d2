"""`memory`: whether a model trains on given devices, with the breakdown, the layout that fits, and the nearest plan when none does."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from knowledge.hardware import Accelerator, accelerator
from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools._optimizer_states import states_result
from tools.budget import DEFAULT_ACCELERATOR, ModelFields, assumed_accelerator
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value
from tools.systems.efficiency import memory_interval
from tools.systems.feasibility import refusal
from tools.systems.flops import count_params
from tools.systems.layout import USABLE, Layout, Search, search
from tools.systems.memory import PARTS
from tools.systems.planning import CONTEXT_SOURCE, OPTIMIZER_BYTES, cluster, usual_context

_SOURCE = "Korthikanti et al. 2022 (arXiv:2205.05198) for activations, ZeRO (arXiv:1910.02054) for states; margins fitted to measured peaks"
_PINNED = ("tensor", "pipeline", "context", "data", "expert", "micro", "virtual", "shard")


class MemoryRequest(ModelFields):
    """A model and the devices it should train on; fields and units of the brief, and parts of a layout that are given."""

    accelerator: str | None = None
    n_accelerators: float | None = Field(default=None, ge=1, le=1e7)
    memory_bytes: float | None = Field(default=None, gt=0, description="memory of one device, instead of the accelerator's")
    sequence_length: float | None = Field(default=None, ge=1)
    batch_tokens: float | None = Field(default=None, gt=0)
    dtype: str = "bf16"
    optimizer: Literal["adamw", "adamw-bf16", "adamw-8bit", "adafactor", "muon", "sgd"] = "adamw"
    counted: Literal["all", "training_states", "optimizer_state"] = Field(
        default="all", description="all of a training run on devices, or only the bytes of its states, activations left out"
    )
    grad_bytes: float | None = Field(default=None, ge=1, le=4, description="bytes of a gradient, for training_states")
    tensor: int | None = Field(default=None, ge=1, description="tensor-parallel size")
    pipeline: int | None = Field(default=None, ge=1, description="pipeline stages")
    context: int | None = Field(default=None, ge=1, description="context-parallel size")
    data: int | None = Field(default=None, ge=1, description="data-parallel size")
    expert: int | None = Field(default=None, ge=1, description="expert-parallel size")
    micro: int | None = Field(default=None, ge=1, description="sequences per micro-batch")
    virtual: int | None = Field(default=None, ge=1, description="pipeline stages per device")
    shard: int | None = Field(default=None, ge=0, le=3, description="ZeRO stage; 3 is FSDP full shard")


@tool(
    task="memory",
    title="Whether it trains in memory",
    needs=(
        ("params_total", "accelerator"),
        ("model", "accelerator"),
        ("params_total", "memory_bytes"),
        ("model", "memory_bytes"),
        ("params_total",),
        ("model",),
    ),
)
def memory(request: MemoryRequest, laws: LawBook) -> Result:
    """Peak memory per device of the best layout, what does not fit and by how much, and the nearest plan that does.

    Where only states are counted, their bytes by the law card `optimizer_memory`, on no device in particular.
    """
    assumed: list[Assumption] = []
    shape = request.shape()
    if request.counted != "all":
        stated = None if request.model else request.params_total
        return states_result(shape, stated, request.optimizer, request.counted, request.grad_bytes, laws)
    part = accelerator(request.accelerator or DEFAULT_ACCELERATOR)
    if request.accelerator is None:
        assumed.append(assumed_accelerator(part))
    devices = request.n_accelerators or _default_devices(request, part, assumed)
    seq = request.sequence_length or _assume(
        assumed, "sequence_length", usual_context(count_params(shape).active), "tokens", CONTEXT_SOURCE
    )
    batch_tokens = request.batch_tokens or _assume(
        assumed, "batch_tokens", max(2.0**20, seq * devices), "tokens/step", "a million tokens, at least one sequence per device"
    )
    batch = max(1.0, round(batch_tokens / seq))
    fixed = {name: float(value) for name in _PINNED if (value := getattr(request, name)) is not None}
    refused = refusal(shape, part, devices, batch, fixed)
    found = search(
        shape,
        cluster(part.id, devices, request.dtype),
        seq,
        batch,
        optimizer=request.optimizer,
        fixed=fixed,
        memory_bytes=request.memory_bytes,
    )
    limit = request.memory_bytes or part.memory_bytes
    result = (
        _fits(request, shape, part, devices, limit, found, assumed)
        if found.best is not None
        else _misfit(request, shape, part, devices, (seq, batch), limit, found, assumed, refused)
    )
    return result if request.accelerator or request.memory_bytes or request.n_accelerators else _with_states(result, request, shape, laws)


def _with_states(result: Result, request: MemoryRequest, shape: ModelShape, laws: LawBook) -> Result:
    """Where no device is told, the bytes of all training states come first: they are what can be said without one."""
    stated = None if request.model else request.params_total
    states = states_result(shape, stated, request.optimizer, "training_states", request.grad_bytes, laws)
    value = states.values["memory_bytes"].model_copy(update={"label": "weights, gradients and optimizer states, all devices together"})
    return result.model_copy(
        update={
            "headline": ["states_bytes", *result.headline],
            "values": {"states_bytes": value, **result.values},
            "assumptions": [*states.assumptions, *result.assumptions],
        }
    )


def _assume(assumed: list[Assumption], name: str, value: float, unit: str, source: str) -> float:
    assumed.append(Assumption(field=name, value=value, unit=unit, source=source))
    return value


def _default_devices(request: MemoryRequest, part: Accelerator, assumed: list[Assumption]) -> float:
    if request.memory_bytes is not None and request.accelerator is None:
        return _assume(assumed, "n_accelerators", 1.0, "", "one device of the stated memory")
    return _assume(assumed, "n_accelerators", float(min(part.fast_domain_size, 8)), "", "one node of the part")


def _fits(
    request: MemoryRequest, shape: ModelShape, part: Accelerator, devices: float, limit: float, found: Search, assumed: list[Assumption]
) -> Result:
    best = found.fitting[0]
    text = (
        f"Yes: {_name(request, shape)} trains on {_where(request, part, devices)}: "
        f"{best.memory_bytes / 1e9:.1f} GB of {limit / 1e9:.3g} GB per device with {best.describe()}."
    )
    values = {"verdict": Value(value=text, label="memory"), **_common(shape, part, devices, limit, best)}
    return Result(
        tool="memory",
        task="memory",
        headline=["verdict", "memory_bytes"],
        values=values,
        tables=[_breakdown(best), _layouts(found.fitting, limit)],
        alternatives=[_alternative(item) for item in found.fitting[1:3]],
        assumptions=assumed,
        warnings=_margin(values["memory_bytes"], limit, found),
        reasons=["Among the layouts that fit, the fastest is shown; the table lists the runners-up."],
    )


def _margin(peak: Value, limit: float, found: Search) -> list[Notice]:
    """A caution where the interval of the peak reaches beyond the device, with the leanest of the layouts listed."""
    if peak.high is None or peak.high <= limit:
        return []
    leanest = min(found.fitting, key=lambda item: item.memory_bytes)
    text = f"The 90% interval of the peak reaches {peak.high / 1e9:.1f} GB, beyond the device's {limit / 1e9:.3g} GB: try a step first."
    if leanest is not found.fitting[0]:
        text += f" The leanest layout listed ({leanest.describe()}) takes {leanest.memory_bytes / 1e9:.1f} GB."
    return [Notice(text=text)]


def _name(request: MemoryRequest, shape: ModelShape) -> str:
    if shape.id:
        return shape.name
    size = f"{(request.params_total or count_params(shape).total) / 1e9:.3g}B"
    return f"{'an' if size.startswith(('8', '11', '18')) else 'a'} {size} model"


def _where(request: MemoryRequest, part: Accelerator, devices: float) -> str:
    """The devices in words: by memory alone where the question names no part."""
    if request.memory_bytes is None:
        return f"{devices:g} x {part.name}"
    size = f"of {request.memory_bytes / 1e9:.3g} GB"
    if request.accelerator is not None:
        return f"{devices:g} x {part.name} {size}"
    return f"{devices:g} {'device' if devices == 1 else 'devices'} {size}"


def _common(shape: ModelShape, part: Accelerator, devices: float, limit: float, layout: Layout) -> dict[str, Value]:
    low, high = memory_interval()
    return {
        "memory_bytes": Value(
            value=layout.memory_bytes,
            unit="bytes",
            label="peak memory per device",
            quantity="bytes",
            source=_SOURCE,
            low=layout.memory_bytes * math.exp(low),
            high=layout.memory_bytes * math.exp(high),
            level=0.9,
            interval_basis="measured peaks of sources left out of the calibration",
        ),
        "device_memory_bytes": Value(value=limit, unit="bytes", label="memory of the device", quantity="bytes"),
        "layout": Value(value=layout.describe(), label="layout"),
        "step_seconds": Value(value=layout.step_seconds, unit="s", label="seconds per optimizer step"),
        "n_accelerators": Value(value=devices, label=part.name, quantity="count"),
        "params_total": Value(value=count_params(shape).total, unit="params", label="parameters", quantity="params_total"),
    }


def _breakdown(layout: Layout) -> Table:
    rows: list[list[Any]] = [[name, layout.parts[name], layout.parts[name] / layout.memory_bytes] for name in PARTS]
    return Table(
        name="breakdown",
        title="Memory per device by part",
        rows=[*rows, ["total", layout.memory_bytes, 1.0]],
        columns=[Column(name="part"), Column(name="bytes", unit="bytes"), Column(name="share")],
    )


def _layouts(layouts: tuple[Layout, ...], limit: float) -> Table:
    rows: list[list[Any]] = [
        [item.describe(), item.memory_bytes, USABLE * limit - item.memory_bytes, item.step_seconds] for item in layouts
    ]
    return Table(
        name="layouts",
        title="Layouts that fit, fastest first",
        rows=rows,
        columns=[
            Column(name="layout"),
            Column(name="memory_bytes", label="memory per device", unit="bytes"),
            Column(name="room", label="room left", unit="bytes"),
            Column(name="step_seconds", label="step", unit="s"),
        ],
    )


def _alternative(layout: Layout) -> Alternative:
    return Alternative(
        name=layout.describe(),
        values={"memory_bytes": Value(value=layout.memory_bytes, unit="bytes"), "step_seconds": Value(value=layout.step_seconds, unit="s")},
    )


def _misfit(
    request: MemoryRequest,
    shape: ModelShape,
    part: Accelerator,
    devices: float,
    step: tuple[float, float],
    limit: float,
    found: Search,
    assumed: list[Assumption],
    refused: str,
) -> Result:
    """Why nothing fits, by how much, and what would: more devices, or a leaner optimizer."""
    seq, batch = step
    values: dict[str, Value] = {}
    tables: list[Table] = []
    reason = refused
    if found.nearest is not None and not refused:
        over = found.nearest.memory_bytes - USABLE * limit
        reason = (
            f"the leanest layout ({found.nearest.describe()}) needs {found.nearest.memory_bytes / 1e9:.1f} GB per device, "
            f"{over / 1e9:.1f} GB more than fits in {limit / 1e9:.3g} GB"
        )
        values |= _common(shape, part, devices, limit, found.nearest) | {
            "missing_bytes": Value(value=over, unit="bytes", label="short by, per device", quantity="bytes")
        }
        tables.append(_breakdown(found.nearest))
    plans = _nearest_plans(request, shape, part, devices, seq, batch)
    text = f"No: {_name(request, shape)} does not train on {_where(request, part, devices)}: {reason or 'no layout is possible'}."
    values = {"verdict": Value(value=text, label="verdict"), **values}
    for key, label, value in plans:
        values[key] = Value(value=value, label=label)
    notices = [Notice(level="info", text=f"{label}: {value}.") for _, label, value in plans[1:]]
    return Result(
        tool="memory",
        task="memory",
        headline=["verdict", *([plans[0][0]] if plans else [])],
        values=values,
        tables=tables,
        assumptions=assumed,
        warnings=notices,
        feasible=False,
    )


def _nearest_plans(
    request: MemoryRequest, shape: ModelShape, part: Accelerator, devices: float, seq: float, batch: float
) -> list[tuple[str, str, Any]]:
    """The nearest plans that fit: the layout without its pins, fewer bytes of optimizer, more devices."""
    plans: list[tuple[str, str, Any]] = []
    here = search(
        shape, cluster(part.id, devices, request.dtype), seq, batch, optimizer=request.optimizer, memory_bytes=request.memory_bytes
    )
    if here.best is not None:
        plans.append(("nearest_layout", "A layout that works on these devices", here.best.describe()))
    for optimizer in ("adamw-8bit", "adafactor", "adamw-bf16"):
        lean = search(shape, cluster(part.id, devices, request.dtype), seq, batch, optimizer=optimizer, memory_bytes=request.memory_bytes)
        if here.best is None and lean.best is not None and OPTIMIZER_BYTES[optimizer] < OPTIMIZER_BYTES.get(request.optimizer, 99.0):
            plans.append(("leaner_optimizer", "It fits with the optimizer", f"{optimizer}, {lean.best.describe()}"))
            break
    if here.best is None:
        size = 1.0
        while size < 65536:
            size *= 2
            grown = search(
                shape,
                cluster(part.id, size, request.dtype),
                seq,
                max(batch, size),
                optimizer=request.optimizer,
                memory_bytes=request.memory_bytes,
            )
            if size > devices and grown.best is not None:
                plans.append(("nearest_plan", "It fits on", f"{_where(request, part, size)}: {grown.best.describe()}"))
                break
    return plans
