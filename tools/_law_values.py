"""Short cuts for tools that put values of law cards beside their own arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.law import compute, evaluate
from tools.result import Column, Table, Value


def law_value(
    laws: LawBook, law: str, relation: str, inputs: Mapping[str, Any], output: str = "", variant: str | None = None, label: str = ""
) -> Value:
    """One output of a relation as a Value (the first output unless named), relabelled for the answer at hand."""
    values = evaluate(laws.get(law), relation, inputs, variant).values
    value = values[output or next(iter(values))]
    return value.model_copy(update={"label": label}) if label else value


def law_numbers(laws: LawBook, law: str, relation: str, inputs: Mapping[str, Any], variant: str | None = None) -> dict[str, Any]:
    """Raw outputs of a relation, arrays where an input is one."""
    return compute(laws.get(law), relation, inputs, variant)


def law_with(laws: LawBook, relation: str, named: str | None, default: str) -> LawCard:
    """The card a person named if it has the relation, else the default card of the tool."""
    if named is not None and relation in laws.get(named).relations:
        return laws.get(named)
    return laws.get(default)


def number(value: Value) -> float:
    """A Value's number; TypeError for text or a list, which would be a fault of the tool."""
    if isinstance(value.value, bool) or not isinstance(value.value, int | float):
        raise TypeError(f"{value.label or value.relation} is no number: {value.value!r}")
    return float(value.value)


def coefficient(card: LawCard, variant: str, name: str) -> float:
    """One scalar coefficient of a variant; TypeError for a list."""
    value = card.variants[variant].values[name]
    if isinstance(value, list):
        raise TypeError(f"{card.id} {variant} {name} is a list")
    return float(value)


def arithmetic(value: Any, label: str, unit: str = "", quantity: str = "", formula: str = "", source: str = "", **more: Any) -> Value:
    """A Value that comes from arithmetic rather than from one relation of a card."""
    number = value if isinstance(value, str | bool) else float(value)
    return Value(value=number, unit=unit, label=label, quantity=quantity, formula=formula, source=source, **more)


def table(name: str, title: str, columns: Mapping[str, tuple[str, str]], rows: list[list[Any]], note: str = "") -> Table:
    """A Table from {column name: (label, unit)} and rows."""
    return Table(
        name=name,
        title=title,
        columns=[Column(name=key, label=label, unit=unit) for key, (label, unit) in columns.items()],
        rows=rows,
        note=note,
    )
