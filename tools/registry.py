"""The one registry of tools: every face (command line, API, MCP, agent) takes a tool's schema and entry from here.

@tool(task="qat", title="How much quantization-aware training", needs=(("params_total", "tokens", "weight_bits"),))
def qat(request: QatRequest, laws: LawBook) -> Result: ...
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools.result import Result


class ToolRequest(BaseModel):
    """Base of every tool's input: field names and units are those of the brief; NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Request = TypeVar("Request", bound=ToolRequest)
Needs = tuple[tuple[str, ...], ...]
ToolFn = Callable[[Any, LawBook], Result]


@dataclass(frozen=True)
class Tool:
    """A registered tool. `needs` lists sets of fields, any one of which makes the question computable."""

    name: str
    task: str
    title: str
    request: type[ToolRequest]
    fn: ToolFn
    needs: Needs


# Tool -> module, so that one question imports one module. A test proves the map complete.
MODULES: dict[str, str] = {
    "allocate": "tools.allocation",
    "batch_size": "tools.batch_size",
    "compare_laws": "tools.compare_laws",
    "design_experiments": "tools.design",
    "diffusion": "tools.diffusion",
    "cost": "tools.cost",
    "distill": "tools.distill",
    "downstream": "tools.downstream",
    "explain": "tools.explain",
    "filter_data": "tools.filter_data",
    "finetune": "tools.finetune",
    "fit": "tools.fit",
    "hyperparameters": "tools.hyperparameters",
    "lr_schedule": "tools.lr_schedule",
    "memory": "tools.memory",
    "mix_data": "tools.mix_data",
    "model_shape": "tools.model_shape",
    "moe": "tools.moe",
    "multimodal": "tools.multimodal",
    "parallel_scaling": "tools.parallel_scaling",
    "plan": "tools.plan.tool",
    "predict_loss": "tools.pretraining",
    "qat": "tools.qat",
    "quantize": "tools.quantize",
    "repeat_data": "tools.repeat_data",
    "rl": "tools.rl",
    "science": "tools.science",
    "sparsity": "tools.sparsity",
    "synthetic_data": "tools.synthetic_data",
    "serve": "tools.serve",
    "test_time": "tools.test_time",
    "time_series": "tools.time_series",
    "translation": "tools.translation",
    "video": "tools.video",
    "vocabulary": "tools.vocabulary",
    "wall_clock": "tools.wall_clock",
}
_TOOLS: dict[str, Tool] = {}


def tool(*, task: str, title: str, needs: Needs = (), name: str = "") -> Callable[[ToolFn], ToolFn]:
    """Register a tool under its task (or `name`, where a task has several tools)."""

    def register(fn: ToolFn) -> ToolFn:
        request = next(iter(_hints(fn).values()))
        key = name or task
        if key in _TOOLS:
            raise RuntimeError(f"tool {key!r} is registered twice")
        _TOOLS[key] = Tool(key, task, title, request, fn, needs)
        return fn

    return register


def _hints(fn: ToolFn) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(fn)


def get_tool(name: str) -> Tool:
    """A tool by name, importing its module when first asked for."""
    if name not in MODULES:
        raise InputError("tool", f"no tool is called {name!r}", f"tools: {', '.join(sorted(MODULES))}")
    if name not in _TOOLS:
        importlib.import_module(MODULES[name])
    return _TOOLS[name]


def all_tools() -> list[Tool]:
    """Every tool, in order of name."""
    return [get_tool(name) for name in sorted(MODULES)]


def call(name: str, fields: Mapping[str, Any], laws: LawBook | None = None) -> Result:
    """Validate fields, see that the tool has what it needs, and run it. Raises InputError or MissingInput."""
    entry = get_tool(name)
    stated = {key for key, value in fields.items() if value is not None}
    if entry.needs and not any(stated.issuperset(way) for way in entry.needs):
        raise MissingInput(entry.needs, entry.title[:1].lower() + entry.title[1:])
    return entry.fn(validated(entry.request, {key: fields[key] for key in stated}), laws or LawBook())


def validated(kind: type[Request], fields: Mapping[str, Any]) -> Request:
    """A request made of fields. Raises InputError that names the first one that is wrong."""
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.__name__
        raise InputError(field, first["msg"], f"got {first.get('input')!r:.80}") from None
