"""`/v1/estimates`: step time, serving throughput or hours for the rows of a table."""

from __future__ import annotations

from fastapi import APIRouter

from server.models import EstimateIn, EstimateOut
from tools.systems.profile import profile_from
from tools.systems.tables import COLUMNS, predict_table

router = APIRouter(tags=["estimates"])


@router.post("/estimates")
def estimate(given: EstimateIn) -> EstimateOut:
    """Predict every row. Columns that hold measured answers are never read."""
    profile = profile_from(given.profile) if given.profile is not None else None
    rows = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in given.rows]
    return EstimateOut(
        kind=given.kind, columns=list(COLUMNS[given.kind]), rows=[dict(cells) for cells in predict_table(given.kind, rows, profile)]
    )
