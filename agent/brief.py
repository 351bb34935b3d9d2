"""The brief: what a question asks, in one typed object (the contract every front end fills and every tool reads)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from knowledge.errors import InputError

Task = Literal[
    "allocate",
    "predict_loss",
    "fit",
    "design_experiments",
    "compare_laws",
    "explain",
    "quantize",
    "qat",
    "wall_clock",
    "memory",
    "cost",
    "serve",
    "hyperparameters",
    "batch_size",
    "lr_schedule",
    "moe",
    "sparsity",
    "distill",
    "vocabulary",
    "parallel_scaling",
    "downstream",
    "repeat_data",
    "filter_data",
    "mix_data",
    "synthetic_data",
    "finetune",
    "rl",
    "test_time",
    "diffusion",
    "video",
    "multimodal",
    "translation",
    "time_series",
    "science",
    "out_of_scope",
]
TASKS: tuple[str, ...] = get_args(Task)

Amount = float | list[float] | None
Count = int | float | list[int | float] | None
Name = str | list[str] | None

# Largest value each quantity may have before it is a slip of the pen: far beyond anything built, far below nonsense such as 1e40 params.
LIMITS: dict[str, float] = {
    "compute_flops": 1e36,
    "budget_usd": 1e15,
    "accelerator_hours": 1e14,
    "duration_seconds": 1e11,
    "n_accelerators": 1e8,
    "price_per_accelerator_hour_usd": 1e6,
    "mfu": 1.0,
    "params_total": 1e16,
    "params_active": 1e16,
    "tokens": 1e19,
    "unique_tokens": 1e19,
    "tokens_per_param": 1e9,
    "n_experts": 1e7,
    "experts_per_token": 1e6,
    "weight_bits": 64.0,
    "memory_bytes": 1e18,
    "inference_tokens": 1e21,
    "inference_tokens_per_second": 1e13,
    "price_per_million_tokens_usd": 1e7,
    "latency_ms_per_token": 1e9,
    "input_tokens": 1e10,
    "output_tokens": 1e10,
    "concurrency": 1e10,
    "sequence_length": 1e10,
    "batch_tokens": 1e14,
    "vocab_size": 1e9,
    "target_loss": 100.0,
    "observed_loss": 100.0,
    "samples": 1e12,
    "pass_rate": 1.0,
}
_MAY_BE_ZERO = frozenset({"target_loss", "observed_loss", "pass_rate"})


def _check_number(field: str, value: float) -> None:
    """Raise PydanticCustomError when a stated quantity cannot be meant: not finite, zero or negative, absurdly large."""
    if not math.isfinite(value):
        raise PydanticCustomError("brief", "must be a finite number; got {value}", {"value": str(value), "remedy": "state a number"})
    if value < 0 or (value == 0 and field not in _MAY_BE_ZERO):
        raise PydanticCustomError("brief", "must be positive; got {value}", {"value": f"{value:g}", "remedy": "state an amount above zero"})
    if value > LIMITS[field]:
        raise PydanticCustomError(
            "brief", "is not believable: {value}", {"value": f"{value:g}", "remedy": f"at most {LIMITS[field]:g}; check the unit"}
        )


class Brief(BaseModel):
    """What a question asks. A field the question does not state is None, never guessed; a list means several values are compared.

    Units are those of the field names: FLOP, USD, s, byte, tokens, parameters, nats per token, fractions of one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    also: list[Task] | None = None
    compute_flops: Amount = None
    budget_usd: Amount = None
    accelerator_hours: Amount = None
    duration_seconds: Amount = None
    accelerator: Name = None
    n_accelerators: Count = None
    price_per_accelerator_hour_usd: Amount = None
    mfu: Amount = None
    params_total: Amount = None
    params_active: Amount = None
    tokens: Amount = None
    unique_tokens: Amount = None
    tokens_per_param: Amount = None
    architecture: Name = None
    n_experts: Count = None
    experts_per_token: Count = None
    weight_bits: Count = None
    memory_bytes: Amount = None
    inference_tokens: Amount = None
    inference_tokens_per_second: Amount = None
    price_per_million_tokens_usd: Amount = None
    latency_ms_per_token: Amount = None
    input_tokens: Count = None
    output_tokens: Count = None
    concurrency: Count = None
    sequence_length: Count = None
    batch_tokens: Amount = None
    vocab_size: Count = None
    target_loss: Amount = None
    observed_loss: Amount = None
    samples: Count = None
    pass_rate: Amount = None
    laws: list[str] | None = None
    models: list[str] | None = None
    runs: str | None = None
    missing: list[str] | None = None
    language: str | None = None
    details: dict[str, float | str | list[float]] | None = None  # fields of one tool beyond the contract (agent.understand.details)

    @field_validator(*LIMITS, mode="after")
    @classmethod
    def _believable(cls, value: Any, info: Any) -> Any:
        for number in value if isinstance(value, list) else [value]:
            if number is not None:
                _check_number(info.field_name, float(number))
        return value

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Brief:
        """A brief from plain data; raises InputError naming the first field that cannot be meant."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else "brief"
            remedy = str(first.get("ctx", {}).get("remedy", "")) if first["type"] == "brief" else "see the fields of a brief"
            raise InputError(field, first["msg"], remedy) from None

    def stated(self) -> dict[str, Any]:
        """The fields the question states (no nulls), in the order of the contract."""
        return self.model_dump(exclude_none=True)

    def changed(self, **values: Any) -> Brief:
        """A copy with some fields replaced; raises InputError as `read` does."""
        return Brief.read({**self.stated(), **values})
