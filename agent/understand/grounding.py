"""What a brief may say: its numbers and names must stand in the question (or in the brief a follow-up refers to)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.brief import LIMITS, Brief
from agent.understand import names, tasks
from agent.understand._condense import condense
from agent.understand._fill import fill
from agent.understand._instructions import leave_unread
from agent.understand._lexicon import language
from agent.understand._text import fold
from agent.understand.parser import check_length, read_atoms
from agent.understand.quantities import Measure, measures
from agent.understand.slots import scene

_TOKENS = frozenset(
    {"tokens", "unique_tokens", "inference_tokens", "batch_tokens", "sequence_length", "input_tokens", "output_tokens", "vocab_size"}
)
# Fields a quantity of a dimension may go into; a dimension that is not listed may go anywhere.
_FIELDS: dict[str, frozenset[str]] = {
    "flop": frozenset({"compute_flops"}),
    "flop_rate": frozenset(),
    "usd": frozenset({"budget_usd", "price_per_accelerator_hour_usd", "price_per_million_tokens_usd"}),
    "usd_per_mtok": frozenset({"price_per_million_tokens_usd"}),
    "usd_per_hour": frozenset({"price_per_accelerator_hour_usd"}),
    "usd_per_item": frozenset({"price_per_accelerator_hour_usd", "budget_usd"}),
    "acc": frozenset({"n_accelerators"}),
    "acc_hours": frozenset({"accelerator_hours"}),
    "time": frozenset({"duration_seconds"}),
    "latency": frozenset({"latency_ms_per_token"}),
    "bytes": frozenset({"memory_bytes"}),
    "bits": frozenset({"weight_bits"}),
    "nats": frozenset({"target_loss", "observed_loss"}),
    "fraction": frozenset({"mfu", "pass_rate"}),
    "params": frozenset({"params_total", "params_active"}),
    "tokens": _TOKENS,
    "step_tokens": frozenset({"batch_tokens"}),
    "token_ratio": frozenset({"tokens_per_param"}),
}
_BINARY = (1.0, 1.024, 1.024**2, 1.024**3)  # "8k context" may be meant as 8192
_RATIOS = (0.25, 1 / 3, 0.5, 2.0, 3.0, 4.0, 10.0)  # words such as half and double, in a follow-up
_NAMED = {"accelerator": ("accelerator", "unknown"), "models": ("model",), "laws": ("law", "author"), "runs": ("runs",)}


@dataclass(frozen=True)
class Unused:
    """An amount of the question that no field took, and the field it may belong to."""

    text: str
    field: str


class Grounds:
    """The numbers and names of one question, against which a brief from elsewhere is checked."""

    def __init__(self, question: str, built_in: Brief, before: Brief | None = None) -> None:
        check_length(question)
        self.part = condense(fold(question))
        # What orders to the assistant say is no ground for a number either.
        self.question, self.text = question, leave_unread(self.part.text, tasks.asks_for_plan)
        atoms, self.spotted, lang = read_atoms(self.text)
        words = language(lang)
        self.measures = measures(words, atoms)
        self.slots = fill(scene(words, atoms), self.measures, self.spotted, self.text).slots
        self.built_in, self.before = built_in, before

    def problems(self, brief: Brief) -> list[str]:
        """What in a brief does not stand in the question, one sentence each."""
        stated = brief.stated()
        found = [
            f"{name}: {value:g} is not in the question"
            for name in LIMITS
            for value in _values(stated.get(name))
            if not self.holds(name, float(value))
        ]
        for name, kinds in _NAMED.items():
            found += [
                f"{name}: {value!r} is not named in the question"
                for value in _values(stated.get(name))
                if not self._named(name, str(value), kinds)
            ]
        return found

    def holds(self, field: str, value: float) -> bool:
        """Whether a number of a field stands in the question, in any unit it can be meant in."""
        return any(abs(value - way) <= 1e-6 * max(abs(way), 1e-300) for way in self._ways(field))

    def unused(self, brief: Brief) -> list[Unused]:
        """Amounts that were not taken back, yet stand in no field."""
        taken = [float(value) for name in LIMITS for value in _values(brief.stated().get(name))]
        found: list[Unused] = []
        for slot in self.slots:
            one = slot.measure
            if (
                slot.field
                and not slot.discounted
                and slot.field in self.built_in.stated()
                and not any(_near(value, way) for value in taken for way in self._forms(slot.field, one))
            ):
                found.append(Unused(self.question[self.part.origin(one.start) : self.part.origin(one.end - 1) + 1], slot.field))
        return found

    def _named(self, field: str, value: str, kinds: tuple[str, ...]) -> bool:
        known = [*_values(self.built_in.stated().get(field)), *_values(self.before.stated().get(field) if self.before else None)]
        if value in known:
            return True
        if field == "runs":
            return value.lower() in self.text
        for name in self.spotted:
            if name.kind in kinds and (name.id == value or (name.kind == "author" and names.law_id(name.text) == value)):
                return True
        # A name the parser does not know, written as it stands ("h100" for h100-sxm).
        return (
            not any(name.kind in kinds for name in self.spotted)
            and len(head := value.split("-")[0].split("_")[0]) > 2
            and head in self.text
        )

    def _ways(self, field: str) -> Iterator[float]:
        for brief in (self.built_in, self.before):
            for value in _values(brief.stated().get(field) if brief else None):
                yield float(value)
                if brief is self.before:
                    yield from (float(value) * ratio for ratio in _RATIOS)
        for measure in self.measures:
            if field in _FIELDS.get(measure.dim, LIMITS):
                yield from self._forms(field, measure)
        for one, two in itertools.permutations(self.measures, 2):
            yield from _products(field, one, two)

    @staticmethod
    def _forms(field: str, measure: Measure) -> Iterator[float]:
        yield from (measure.value * factor for factor in (_BINARY if field in _TOKENS or field == "concurrency" else (1.0,)))
        if field in ("mfu", "pass_rate"):
            yield measure.value / 100


def _near(one: float, two: float) -> bool:
    return abs(one - two) <= 1e-6 * max(abs(two), 1e-300)


def _products(field: str, one: Measure, two: Measure) -> Iterator[float]:
    """What two amounts of a text make together: nodes of cards, cards for a time, tokens a day over years, sequences of a length."""
    dims = {one.dim, two.dim}
    if field == "n_accelerators" and dims <= {"acc", "nodes", "per_node", "plain"}:
        yield one.value * two.value
    if field == "accelerator_hours" and dims <= {"acc", "node_hours", "per_node", "plain", "time"}:
        yield from (one.value * two.value, one.value * two.value / 3600)
    if (field == "inference_tokens" and "time" in dims) or (field == "batch_tokens" and dims <= {"tokens", "plain", "step_tokens"}):
        yield one.value * two.value
    if field == "inference_tokens_per_second" and one.dim in ("token_rate", "tokens"):
        yield from (one.value, one.value * two.value)
    if field == "latency_ms_per_token" and one.value:
        yield 1000.0 / one.value


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
