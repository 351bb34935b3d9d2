"""`science`: what published scaling studies of molecules, atoms, cells, crystals and recommenders say for a budget or size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import law_value
from tools._modality import ModalityRequest, other, plain
from tools.budget import budget_of
from tools.convert import FLOPS_PER_PARAM_TOKEN
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

Topic = Literal["atoms", "molecules", "cells", "materials", "recommenders", "thrusters"]
MOLECULES, CELLS, ATOMS, ATTENTION, LAYERS = (
    "sypetkowski2024_molgps",
    "chevalier2025_teddy",
    "wood2025_uma",
    "qu2024_escaip",
    "zhang2025_dpa3",
)
_FINDINGS: dict[Topic, tuple[str, ...]] = {
    "atoms": (ATOMS, LAYERS, ATTENTION),
    "molecules": (MOLECULES,),
    "cells": (CELLS,),
    "materials": ("yang2023_unimat",),
    "recommenders": ("embedding_scaling_cf2025",),
    "thrusters": ("het_scaling",),
}
_FIELDS: dict[Topic, str] = {
    "atoms": "interatomic potentials",
    "molecules": "molecular graphs",
    "cells": "single-cell transcriptomics",
    "materials": "crystal generation",
    "recommenders": "recommenders",
    "thrusters": "thrusters",
}
_WORDS: dict[str, Topic] = {
    "molec": "molecules",
    "potential": "atoms",
    "atom": "atoms",
    "cell": "cells",
    "crystal": "materials",
    "material": "materials",
    "recommend": "recommenders",
    "thruster": "thrusters",
}


@dataclass(frozen=True)
class Anchor:
    """A published training run of a field: relations of its card that hold a size and the data, and how data is counted."""

    topic: Topic
    law: str
    size: str
    data: str = ""


_ANCHORS = (
    Anchor("cells", CELLS, "smallest_model", "data"),
    Anchor("cells", CELLS, "middle_model", "data"),
    Anchor("cells", CELLS, "largest_model", "data"),
    Anchor("molecules", MOLECULES, "largest_model"),
    Anchor("atoms", ATOMS, "largest_model", "data"),
)


class ScienceRequest(ModalityRequest):
    """A question on models of another science; `samples_seen` are cells, structures or molecules."""

    topic: Topic | None = None
    samples_seen: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0)
    architecture: str | None = None


@tool(task="science", title="Size and data of models in other sciences")
def science(request: ScienceRequest, laws: LawBook) -> Result:
    """Published sizes, data and gains of the field asked about, with the budget's own trade of size against samples.

    No exponents of these fields are public: the answer gives anchors and says to fit a law to a few own runs; the findings of the
    field are raised as advice by the value `topic`.
    """
    topic, assumptions = _topic(request)
    budget = budget_of(request)
    values = _field_values(topic, laws)
    if budget.flops is not None:
        values |= _samples_for_budget(plain(budget.flops), request, laws)
        values["compute_flops"] = budget.flops
    warnings = [
        *budget.notices,
        Notice(
            level="caution",
            source=_FINDINGS[topic][0],
            text="No fitted exponents of this field are public: train three or more sizes "
            "on growing subsets and fit a law to them (flopwise fit runs.csv) before spending the budget.",
        ),
    ]
    values["topic"] = Value(value=topic, label="field")
    if any(item.field == "topic" for item in assumptions):
        text = f"none in the base for the field asked about; what follows is from {_FIELDS[topic]}"
        values["published_law"] = Value(value=text, label="published law")
    headline = [
        key
        for key in (
            "published_law",
            "samples_for_budget",
            "gain_from_size_percent",
            "gain_from_data_percent",
            "largest_published_params",
            "published_samples",
            "speed_gain",
        )
        if key in values
    ][:3]
    return Result(
        tool="science",
        task="science",
        headline=headline,
        values=values,
        tables=[_anchors(laws)],
        alternatives=_rivals(topic, laws),
        assumptions=[*assumptions, *budget.assumptions],
        warnings=warnings,
        reasons=[
            "The studies of this field print findings and sizes, not coefficients; the anchors show what was trained and what it brought."
        ],
    )


def _topic(request: ScienceRequest) -> tuple[Topic, list[Assumption]]:
    if request.topic is not None:
        return request.topic, []
    for topic, laws in _FINDINGS.items():
        if request.law in laws:
            return topic, []
    for word, topic in _WORDS.items():
        if word in (request.architecture or "").lower():
            return topic, []
    budgeted = any(getattr(request, name) is not None for name in ("compute_flops", "budget_usd", "accelerator_hours", "duration_seconds"))
    topic: Topic = "atoms" if budgeted else "molecules" if request.params_total is not None else "cells"
    return topic, [
        Assumption(field="topic", value=topic, source="the field whose study answers such a question; name another to change it")
    ]


def _field_values(topic: Topic, laws: LawBook) -> dict[str, Value]:
    if topic == "molecules":
        return {
            "gain_from_size_percent": law_value(laws, MOLECULES, "gain_from_size", {}, label="mean gain from scaling to the largest size"),
            "gain_from_data_percent": law_value(laws, MOLECULES, "gain_from_data", {}, label="mean gain from more data"),
            "data_factor": law_value(laws, MOLECULES, "data_factor", {}, label="growth of data behind that gain"),
            "largest_published_params": law_value(laws, MOLECULES, "largest_model", {}, label="largest size trained"),
        }
    if topic == "cells":
        largest, cells = law_value(laws, CELLS, "largest_model", {}), law_value(laws, CELLS, "data", {}, label="cells trained on")
        return {
            "largest_published_params": largest.model_copy(update={"label": "largest size that still gained"}),
            "published_samples": cells,
            "smallest_published_params": law_value(laws, CELLS, "smallest_model", {}, label="smallest size trained"),
            "samples_per_param": Value(
                value=plain(cells) / plain(largest),
                label="cells per parameter at the largest size",
                quantity="ratio",
                law=CELLS,
                formula="cells/params",
                inputs={"cells": cells.value, "params": largest.value},
                source=cells.source,
            ),
        }
    if topic == "atoms":
        return {
            "largest_published_params": law_value(laws, ATOMS, "largest_model", {}, label="largest potential trained, all experts"),
            "active_published_params": law_value(laws, ATOMS, "active", {}, label="params used per structure"),
            "published_samples": law_value(laws, ATOMS, "data", {}, label="structures trained on"),
            "speed_gain": law_value(
                laws, ATTENTION, "speed_gain", {}, label="inference speed of attention over earlier potentials, at least"
            ),
        }
    return {"finding": Value(value=laws.get(_FINDINGS[topic][0]).summary, label="what is published", law=_FINDINGS[topic][0])}


def _samples_for_budget(C: float, request: ScienceRequest, laws: LawBook) -> dict[str, Value]:
    """Atoms seen that a budget pays for, at the stated size or at the active size of the largest published potential."""
    size = request.params_total or plain(law_value(laws, ATOMS, "active", {}))
    seen = C / (FLOPS_PER_PARAM_TOKEN * size)
    return {
        "samples_for_budget": Value(
            value=seen,
            unit="atoms",
            label="atoms seen that the budget pays for at that size",
            quantity="samples",
            formula="C/(6 N)",
            inputs={"C": C, "N": size},
            note="an upper bound: messages between neighbours cost more",
            source="C = 6ND applied per atom, with N the params used per structure",
        )
    }


def _anchors(laws: LawBook) -> Table:
    rows: list[list[float | int | str | bool | None]] = []
    for anchor in _ANCHORS:
        size = plain(law_value(laws, anchor.law, anchor.size, {}))
        data = plain(law_value(laws, anchor.law, anchor.data, {})) if anchor.data else None
        rows.append([anchor.topic, laws.get(anchor.law).authors, size, data])
    columns = [Column(name="field"), Column(name="study"), Column(name="params", unit="params"), Column(name="samples", unit="samples")]
    return Table(name="anchors", title="Published runs by field", columns=columns, rows=rows)


def _rivals(topic: Topic, laws: LawBook) -> list[Alternative]:
    if topic != "atoms":
        return []
    gain = law_value(laws, ATTENTION, "memory_gain", {}, label="memory saved over earlier potentials")
    layers = Value(value="stack layers", label="where to add capacity", law=LAYERS)
    return [
        other(ATTENTION, "attention between neighbours instead of stricter equivariance", memory_gain=gain),
        other(LAYERS, "power laws hold when layers of a line-graph network are stacked", capacity=layers),
    ]
