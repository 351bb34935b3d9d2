"""What the tools of image, video, image-text, translation, time-series and science models share."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import law_value
from tools.budget import BudgetFields
from tools.result import Alternative, Column, Notice, Table, Value


class ModalityRequest(BudgetFields):
    """Fields every tool of this family takes; names and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    law: str | None = None


def grid_table(
    laws: LawBook,
    name: str,
    title: str,
    law: str,
    relation: str,
    axis: tuple[str, Sequence[float]],
    outputs: Sequence[str],
    variant: str | None = None,
    note: str = "",
    **fixed: float,
) -> Table:
    """Outputs of a relation along one input, with the card's units."""
    key, points = axis
    card = laws.get(law).relations[relation]
    rows: list[list[float | int | str | bool | None]] = []
    for point in points:
        values = [law_value(laws, law, relation, {key: point, **fixed}, output, variant) for output in outputs]
        rows.append([point, *(plain(value) for value in values)])
    columns = [Column(name=key, unit=card.inputs[key].unit)] + [Column(name=output, unit=card.outputs[output].unit) for output in outputs]
    return Table(name=name, title=title, columns=columns, rows=rows, note=note)


def plain(value: Value) -> float:
    """The number of a value that is one."""
    if not isinstance(value.value, int | float):
        raise TypeError(f"{value.label} is no number")
    return float(value.value)


def other(name: str, note: str = "", **values: Value) -> Alternative:
    """What another law or variant says."""
    return Alternative(name=name, values=values, note=note)


def extrapolated(value: Value, law: str) -> list[Notice]:
    """A caution for each variable in which a value lies outside the region of its law."""
    return [Notice(level="caution", text=f"Outside the fit of {law}: {flag}.", source=law) for flag in value.outside]
