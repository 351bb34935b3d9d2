"""One amount as a person types it into a form: "1,5 Billionen", "two weeks", "$50k", "H100"; read by the grammar that reads questions."""

from __future__ import annotations

from typing import Any

from agent.brief import LIMITS, TASKS, Brief
from agent.understand._lexicon import language
from agent.understand._text import atoms, fold
from agent.understand.quantities import Measure, measures
from knowledge.errors import InputError
from knowledge.hardware import accelerator
from knowledge.library import LawBook
from knowledge.shapes import model

# Dimensions of the grammar that a field takes besides a plain number; the grammar gives each in the field's own unit.
_TOKENS = ("tokens", "step_tokens", "user_tokens")
_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "compute_flops": ("flop",),
    "budget_usd": ("usd",),
    "accelerator_hours": ("acc_hours", "node_hours"),
    "duration_seconds": ("time", "one_time"),
    "n_accelerators": ("acc",),
    "price_per_accelerator_hour_usd": ("usd", "usd_per_hour"),
    "mfu": ("fraction",),
    "params_total": ("params", "bytes"),  # a bare "7B" may look like bytes
    "params_active": ("params", "bytes"),
    "tokens": _TOKENS,
    "unique_tokens": _TOKENS,
    "inference_tokens": _TOKENS,
    "input_tokens": _TOKENS,
    "output_tokens": _TOKENS,
    "sequence_length": _TOKENS,
    "batch_tokens": _TOKENS,
    "tokens_per_param": ("ratio",),
    "weight_bits": ("bits",),
    "memory_bytes": ("bytes",),
    "inference_tokens_per_second": ("token_rate",),
    "price_per_million_tokens_usd": ("usd", "usd_per_mtok"),
    "latency_ms_per_token": ("latency", "time"),
    "pass_rate": ("fraction",),
}
_EUROPEAN = ("de", "fr", "es")


def read_amount(field: str, text: str, spoken: str = "en") -> Any:
    """The value of a brief's field from what a person typed, in the field's unit; `a, b` or `a or b` gives a list where several are compared.

    `spoken` is the language that says what a dot between digits means. Raises InputError.
    """
    text = text.strip()
    if field not in Brief.model_fields:
        raise InputError(field, "is no field of a brief")
    if not text or len(text) > 200:
        raise InputError(field, "is empty" if not text else "is too long", "state a value")
    if field in LIMITS:
        value = _amounts(field, text, spoken)
    elif field == "accelerator":
        value = _each(text, lambda name: accelerator(name).id)
    elif field == "models":
        value = [model(part).id for part in _parts(text)]
    elif field == "laws":
        value = [LawBook().get(part).id for part in _parts(text)]
    elif field == "task" and text.replace(" ", "_") not in TASKS:
        raise InputError(field, f"{text!r} is no task", f"one of {', '.join(TASKS)}")
    else:
        value = text.replace(" ", "_") if field == "task" else text
    return Brief.read({"task": "allocate", field: value}).stated()[field]


def _parts(text: str) -> list[str]:
    return [
        part.strip()
        for part in text.replace(" or ", ",").replace(" vs ", ",").replace(" oder ", ",").replace(";", ",").split(",")
        if part.strip()
    ]


def _each(text: str, read: Any) -> Any:
    values = [read(part) for part in _parts(text)]
    return values[0] if len(values) == 1 else values


def _amounts(field: str, text: str, spoken: str) -> Any:
    folded = fold(text)
    known = spoken if spoken in ("en", *_EUROPEAN, "ja", "zh") else "en"
    found = measures(language(known), atoms(folded, 0, None, known in _EUROPEAN))
    values = [_in_field(field, item) for item in found if item.dim == "plain" or item.dim in _DIMENSIONS.get(field, ())]
    if not values or len(values) != len(found):
        raise InputError(
            field, f"{text!r} is not read as {field.replace('_', ' ')}", "a number with its unit, such as " + _EXAMPLES.get(field, "64")
        )
    if "int" in str(Brief.model_fields[field].annotation):
        values = [int(value) if float(value).is_integer() else value for value in values]
    return values[0] if len(values) == 1 else values


def _in_field(field: str, item: Measure) -> float:
    if field == "latency_ms_per_token" and item.dim == "time":
        return item.value * 1000.0
    if field in ("mfu", "pass_rate") and item.dim == "plain" and item.value > 1:
        return item.value / 100.0
    return item.value


_EXAMPLES = {
    "compute_flops": "1e22",
    "budget_usd": "$50k",
    "duration_seconds": "two weeks",
    "params_total": "7B",
    "tokens": "2T",
    "memory_bytes": "24 GB",
    "weight_bits": "4",
    "inference_tokens": "1T",
    "mfu": "40%",
    "latency_ms_per_token": "40 ms",
}
