"""Fitting a law to the runs a question brings along: the law, its interval, its verdict, and what is wrong with the table."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools.fitting.card import law_card
from tools.fitting.diagnose import checklist, diagnosis_tables
from tools.fitting.fitted import Fitted, fit_runs
from tools.fitting.runs import RunTable, build_table, parse_group
from tools.fitting.spec import fit_form
from tools.forms import get_form
from tools.registry import ToolRequest, tool
from tools.result import Notice, Result, Table, Value

MAX_ROWS = 1_000_000


class FitRequest(ToolRequest):
    """A table of runs by column (as many cells a column), the form, and optionally one group and a compute to plan for."""

    runs: str | None = Field(default=None, description="name of the table, for the answer's text")
    table: dict[str, list[float | int | str | bool | None]] | None = None
    form: str = "chinchilla"
    group: str | None = Field(default=None, description="such as family=a,dataset=b")
    compute_flops: float | None = Field(default=None, gt=0)
    bootstrap: int = Field(default=1000, ge=0, le=20_000)
    seed: int = Field(default=0, ge=0)


@tool(task="fit", title="A law from a table of runs", needs=(("table",), ("runs",)))
def fit(request: FitRequest, laws: LawBook) -> Result:
    """Fit a form to the attached runs (Huber on log residuals, global search, bootstrap intervals).

    Raises InputError when no table is attached, when it cannot be read, or when several groups are present and none is chosen.
    """
    if request.table is None:
        name = request.runs or "runs.csv"
        raise InputError("runs", f"the table {name!r} is not attached", f"attach it, or run: flopwise fit {name}")
    table = table_from_columns(request.table, request.runs or "table")
    chosen = table.choose(parse_group([request.group])) if request.group else table
    groups = chosen.groups()
    if len(groups) > 1:
        names = "; ".join(", ".join(f"{k}={v}" for k, v in group.items()) for group in groups[:8])
        raise InputError("group", f"the table holds {len(groups)} groups", f"choose one: {names}")
    fitted = fit_runs(chosen, fit_form(request.form), n_bootstrap=request.bootstrap, seed=request.seed)
    result = result_of(fitted, request.compute_flops)
    if not fitted.params:
        return result
    return result.model_copy(update={"card": law_card(fitted).model_dump(mode="json", exclude_defaults=True)})


def table_from_columns(columns: dict[str, list[Any]], source: str) -> RunTable:
    """A RunTable from columns of equal length; raises InputError when they differ or are too long."""
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise InputError("table", "its columns differ in length", "one cell a run in every column")
    if lengths and max(lengths) > MAX_ROWS:
        raise InputError("table", f"more than {MAX_ROWS} rows", "use `flopwise fit` on a file")
    rows = [["" if cell is None else cell for cell in row] for row in zip(*columns.values(), strict=True)]
    return build_table(source, list(columns), iter([rows]))


def result_of(fitted: Fitted, compute_flops: float | None = None) -> Result:
    """A fit as a Result: coefficients with intervals, the optimum for a budget, diagnosis tables and warnings."""
    warnings = [Notice(level="warning" if fitted.status == "undetermined" else "caution", text=reason) for reason in fitted.reasons]
    warnings += [Notice(level="info", text=str(problem)) for problem in fitted.table.problems]
    if not fitted.params:
        return Result(tool="fit", task="fit", headline=[], values={}, warnings=warnings, feasible=False, reasons=[fitted.verdict])
    values = _coefficients(fitted)
    if compute_flops is not None:
        values |= _optimum(fitted, compute_flops)
    warnings += [Notice(level="caution", text=text, source=source) for text, source in checklist(fitted)]
    tables: list[Table] = diagnosis_tables(fitted)
    return Result(
        tool="fit",
        task="fit",
        headline=[*fitted.spec.names, *(["N", "D"] if "N" in values else [])],
        values=values,
        tables=tables,
        warnings=warnings,
        reasons=[fitted.verdict],
    )


def _coefficients(fitted: Fitted) -> dict[str, Value]:
    formula = get_form(fitted.spec.form).formula
    values: dict[str, Value] = {}
    for name, number in fitted.params.items():
        low, high = fitted.interval.get(name, (None, None))
        sound = low is not None and high is not None and np.isfinite([low, high]).all()
        values[name] = Value(
            value=number,
            label=name,
            quantity="number",
            low=low if sound else None,
            high=high if sound else None,
            level=0.9 if sound else None,
            interval_basis=f"bootstrap by {fitted.spread.method}" if fitted.spread and sound else "",
            formula=formula,
            source=fitted.table.source,
            inputs={"runs": len(fitted.table)},
        )
    values["objective"] = Value(
        value=fitted.objective, label="sum of Huber losses of the residuals", formula=formula, source=fitted.table.source
    )
    return values


def _optimum(fitted: Fitted, flops: float) -> dict[str, Value]:
    from tools.law import evaluate

    card = law_card(fitted)
    return evaluate(card, "optimum", {"C": flops}).values if "optimum" in card.relations else {}
