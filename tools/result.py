"""What a tool returns: values that carry their unit, interval, law, formula, inputs, range of validity and source."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | int | str | bool | None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Value(_Model):
    """One number a person may check. Canonical units; `low`..`high` is the central interval of the given level."""

    value: Number | list[Number]
    unit: str = ""
    label: str = ""
    quantity: str = Field(default="", description="kind of quantity (knowledge.quantities), where it is one")
    low: float | None = None
    high: float | None = None
    level: float | None = None
    interval_basis: str = Field(default="", description="where the interval comes from: bootstrap, residuals, price range, ...")
    law: str = Field(default="", description="id of the law card, or empty for arithmetic and measured relations")
    relation: str = ""
    variant: str = ""
    formula: str = ""
    inputs: dict[str, Any] = {}
    source: str = ""
    outside: list[str] = Field(default=[], description="variables outside the law's fit region, in words")
    note: str = ""

    @property
    def number(self) -> float:
        """The value as a float; raises TypeError where it is text or a list."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"{self.label or 'value'} is not a number: {self.value!r}")
        return float(self.value)


class Assumption(_Model):
    """A default that was filled in because the question did not state it."""

    field: str
    value: Number | list[Number]
    unit: str = ""
    source: str


class Alternative(_Model):
    """What another law, method or choice says about the same question."""

    name: str
    values: dict[str, Value]
    note: str = ""


class Column(_Model):
    """A column of a table: its name in data, its title, and the unit of its numbers."""

    name: str
    label: str = ""
    unit: str = ""


class Table(_Model):
    """Rows for a table of an answer or a figure's data; cells are in the columns' units."""

    name: str
    title: str
    columns: list[Column]
    rows: list[list[Number]]
    note: str = ""


class Notice(_Model):
    """Something the reader must know. `conflict`: the question contradicts itself; both numbers are named."""

    level: Literal["info", "caution", "warning", "conflict"] = "caution"
    text: str
    source: str = ""


class Result(_Model):
    """The outcome of one tool call. `headline` lists keys of `values` in order of interest."""

    tool: str
    task: str
    case: dict[str, Any] = Field(default={}, description="which of several compared values this result is for")
    headline: list[str]
    values: dict[str, Value]
    tables: list[Table] = []
    alternatives: list[Alternative] = []
    assumptions: list[Assumption] = []
    warnings: list[Notice] = []
    reasons: list[str] = Field(default=[], description="why this law, why this choice; plain sentences without digits of their own")
    feasible: bool = True
    card: dict[str, Any] | None = Field(default=None, description="a law card this call made, for the steps that follow")
