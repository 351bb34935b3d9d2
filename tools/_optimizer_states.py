"""Bytes that training keeps for every parameter: optimizer state alone, or with weights, gradients and master weights. No activations."""

from __future__ import annotations

from typing import Any

from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools._law_values import arithmetic, law_value, table
from tools.result import Assumption, Notice, Result, Table, Value
from tools.systems.flops import count_params

LAW = "optimizer_memory"
# optimizer of the request -> (name on the card, name for people, bytes of one state value)
_NAMES: dict[str, tuple[str, str, float]] = {
    "adamw": ("adamw", "Adam", 4.0),
    "adamw-bf16": ("adamw", "Adam with 16-bit moments", 2.0),
    "adamw-8bit": ("adamw", "Adam with 8-bit moments", 1.0),
    "adafactor": ("adafactor", "Adafactor", 4.0),
    "muon": ("muon", "Muon", 4.0),
    "sgd": ("sgdm", "SGD with momentum", 4.0),
}


def states_result(shape: ModelShape, params: float | None, optimizer: str, counted: str, grad_bytes: float | None, laws: LawBook) -> Result:
    """Bytes under `memory_bytes`: of the optimizer state (`optimizer_state`), or of all training states (`training_states`)."""
    P = params or float(count_params(shape).total)
    name, title, width = _NAMES[optimizer]
    assumed: list[Assumption] = []
    state = _state(shape, P, name, width, laws)
    label = f"optimizer state of {title}"
    value = state.model_copy(update={"label": label})
    tables: list[Table] = []
    if counted == "training_states":
        gradient = grad_bytes or 2.0
        if grad_bytes is None:
            assumed.append(Assumption(field="grad_bytes", value=gradient, unit="bytes", source="bf16 gradients; fp32 ones take 4"))
        parts = {
            "weights, 16 bits": 2.0 * P,
            "gradients": gradient * P,
            "master weights, fp32": _master(optimizer) * P,
            label: state.number,
        }
        value, tables = _all(P, name, width, parts, gradient, laws), [_breakdown(parts)]
    per_param = arithmetic(value.number / P, "bytes a parameter", "bytes/param", formula="bytes / params")
    values = {
        "memory_bytes": value,
        "bytes_per_param": per_param,
        "params_total": Value(value=P, unit="params", label="parameters", quantity="params_total", source="the question" if params else ""),
        "counted": Value(value=value.label, label="what is counted"),
    }
    notices = [
        Notice(
            level="info",
            text="Activations, buffers and fragmentation are not counted; ZeRO or FSDP divides the bytes over data-parallel devices.",
        )
    ]
    if optimizer == "muon":
        notices.append(
            Notice(text="Muon holds for matrices only; embeddings, output layer and vectors usually stay on Adam, with its two moments.")
        )
    return Result(
        tool="memory",
        task="memory",
        headline=["memory_bytes", "bytes_per_param"],
        values=values,
        tables=tables,
        assumptions=assumed,
        warnings=notices,
    )


def _master(optimizer: str) -> float:
    return 0.0 if optimizer == "adamw-bf16" else 4.0  # bf16 moments go with no master copy, as in tools.systems.planning


def _state(shape: ModelShape, params: float, name: str, width: float, laws: LawBook) -> Value:
    if name != "adafactor":
        return law_value(laws, LAW, "state", {"P": params, "opt": name, "bytes_per_value": width}, "state_bytes")
    ratio = law_value(laws, LAW, "adafactor_state", {"n": shape.hidden, "m": shape.ffn_hidden}, "ratio_to_adam")
    return ratio.model_copy(
        update={
            "value": ratio.number * 8.0 * params,
            "unit": "bytes",
            "quantity": "bytes",
            "formula": "8 P x (n + m) / (2 n m), for the MLP's matrices",
            "inputs": {"P": params, **ratio.inputs},
        }
    )


def _all(params: float, name: str, width: float, parts: dict[str, float], gradient: float, laws: LawBook) -> Value:
    """Sum of the parts; straight from the card where it has the optimizer with fp32 states."""
    label = "weights, gradients, master weights and optimizer state"
    if name != "adafactor" and width == 4.0:
        return law_value(laws, LAW, "mixed_precision", {"P": params, "opt": name, "grad_bytes": gradient}, "total_bytes", label=label)
    return arithmetic(
        sum(parts.values()), label, "bytes", "bytes", formula="sum of the parts", source="optimizer_memory", inputs={"P": params}
    )


def _breakdown(parts: dict[str, float]) -> Table:
    total = sum(parts.values())
    rows: list[list[Any]] = [[name, size, size / total] for name, size in parts.items()]
    columns = {"part": ("", ""), "bytes": ("", "bytes"), "share": ("", "")}
    return table("breakdown", "Bytes by part", columns, [*rows, ["total", total, 1.0]])
