"""`/v1/estimates`: step time, serving throughput or hours for the rows of a table."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tools.systems.profile import profile_from
from tools.systems.tables import COLUMNS, predict_table

router = APIRouter(tags=["estimates"])
Cell = str | float | int | bool | None


class EstimateIn(BaseModel):
    """Rows as a table gives them (columns by name); `profile` as `flopwise calibrate` writes it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["training", "serving", "runs"]
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=10_000)
    profile: dict[str, Any] | None = None


class EstimateOut(BaseModel):
    """One row of predictions for each row given; `error` says why a row has none."""

    kind: str
    columns: list[str]
    rows: list[dict[str, Cell]]


@router.post("/estimates")
def estimate(given: EstimateIn) -> EstimateOut:
    """Predict every row. Columns that hold measured answers are never read."""
    profile = profile_from(given.profile) if given.profile is not None else None
    rows = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in given.rows]
    return EstimateOut(kind=given.kind, columns=list(COLUMNS[given.kind]), rows=[dict(cells) for cells in predict_table(given.kind, rows, profile)])
