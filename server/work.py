"""What each kind of job does, one step at a time. A step that has ended is not done again after a crash."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from knowledge.errors import InputError
from knowledge.library import LawBook
from server.errors import NotThere, of_input
from server.models import EvalIn, FitIn, ForecastIn, SweepIn, TableRequest
from server.paging import own
from server.plans import Made, Plans
from server.settings import Settings
from server.store.engine import Store
from server.store.tables import Fit, Runs
from tools.fitting.parallel import computing_on, spread, workers

MAX_GROUPS = 40
SWEEP_STEP = 250  # plans of a sweep that count as one step
CHECK_SECONDS = 0.02  # the checks of a law take on one core, about
Progress = Callable[[int], None]


class Kit(Protocol):
    """What a job may use of the process it runs in."""

    store: Store
    plans: Plans
    settings: Settings


# A job is a list of step names, a function that does one of them, and one that puts their outcomes together.
class Kind(Protocol):
    """One kind of job."""

    @property
    def request(self) -> type[BaseModel]:
        """Model of what the job is asked for."""
        ...

    def steps(self, kit: Kit, owner: str, given: Any) -> list[Any]:
        """What there is to do, as plain data. Raises InputError, NotThere."""
        ...

    def weight(self, given: Any, step: Any) -> int:
        """How much progress one step counts."""
        ...

    def do(self, kit: Kit, owner: str, given: Any, step: Any, progress: Progress) -> dict[str, Any]:
        """One step; its outcome as plain data."""
        ...

    def gather(self, given: Any, parts: list[dict[str, Any]], job_id: str, owner: str) -> tuple[dict[str, Any], list[Fit]]:
        """The outcomes of all steps put together, and the fits among them."""
        ...


def computing(kit: Kit) -> AbstractContextManager[None]:
    """Independent pieces are computed where the settings say while the block runs."""
    return computing_on(kit.settings.parallel_backend, kit.settings.parallel_address)


def read_table(store: Store, owner: str, given: TableRequest, runs_id: str, *, points: bool = False) -> Any:
    """An uploaded table, read as the request says. Raises NotThere, InputError."""
    from tools.fitting.runs import read_runs

    with store.read() as session:
        row: Runs = own(session, Runs, runs_id, owner)
    columns = {role: name for role, name in given.columns.items() if not (points and role == "loss")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / row.name
        path.write_bytes(row.content)
        return read_runs(path, units=given.units, columns=columns, flops_per_param_token=given.flops_per_param_token, points=points)


class _Fits:
    request = FitIn

    def steps(self, kit: Kit, owner: str, given: FitIn) -> list[dict[str, str]]:
        from tools.fitting.spec import fit_form

        fit_form(given.form)
        table = read_table(kit.store, owner, given, given.runs)
        groups = (table.choose(given.group) if given.group else table).groups()
        if len(groups) > MAX_GROUPS:
            raise InputError("group", f"the table holds {len(groups)} groups", f"choose with `group`, such as {groups[0]}")
        return [{**given.group, **group} for group in groups]

    def weight(self, given: FitIn, step: Any) -> int:
        return max(given.bootstrap, 1)

    def do(self, kit: Kit, owner: str, given: FitIn, step: dict[str, str], progress: Progress) -> dict[str, Any]:
        from tools.fitting.card import law_card
        from tools.fitting.fitted import as_json, fit_runs
        from tools.fitting.spec import fit_form

        table = read_table(kit.store, owner, given, given.runs)
        with computing(kit):
            fit = fit_runs(
                table.choose(step) if step else table,
                fit_form(given.form),
                n_bootstrap=given.bootstrap,
                seed=given.seed,
                method=given.resample,
                progress=progress,
            )
        card = law_card(fit).model_dump(mode="json", exclude_defaults=True) if fit.params else None
        return {"report": as_json(fit), "card": card}

    def gather(self, given: FitIn, parts: list[dict[str, Any]], job_id: str, owner: str) -> tuple[dict[str, Any], list[Fit]]:
        fits = [
            Fit(
                id=f"fit_{job_id.removeprefix('job_')}_{place}",
                owner=owner,
                job_id=job_id,
                place=place,
                form=given.form,
                report=part["report"],
                card=part["card"],
            )
            for place, part in enumerate(parts)
        ]
        return {
            "fits": [
                {
                    "id": fit.id,
                    "group": fit.report["group"],
                    "status": fit.report["status"],
                    "verdict": fit.report["verdict"],
                    "params": fit.report["params"],
                }
                for fit in fits
            ]
        }, fits


class _Forecasts:
    request = ForecastIn

    def steps(self, kit: Kit, owner: str, given: ForecastIn) -> list[dict[str, Any]]:
        from tools.fitting.forecast import matched_groups

        table, points = self._tables(kit, owner, given)
        return [{"group": group, "rows": [int(i) for i in rows]} for group, rows in matched_groups(table, points)]

    def weight(self, given: ForecastIn, step: Any) -> int:
        return 1

    def _tables(self, kit: Kit, owner: str, given: ForecastIn) -> tuple[Any, Any]:
        table = read_table(kit.store, owner, given, given.runs)
        return table.choose(given.group) if given.group else table, read_table(kit.store, owner, given, given.at, points=True)

    def do(self, kit: Kit, owner: str, given: ForecastIn, step: dict[str, Any], progress: Progress) -> dict[str, Any]:
        import numpy as np

        from tools.fitting.forecast import forecast_group, forecast_with_form
        from tools.fitting.spec import fit_form

        table, points = self._tables(kit, owner, given)
        runs = table.choose(step["group"]) if step["group"] else table
        mine = points.take(np.array(step["rows"], dtype=np.int64))
        with computing(kit):
            part = (
                forecast_with_form(runs, mine, fit_form(given.form), seed=given.seed)[0]
                if given.form
                else forecast_group(runs, mine, seed=given.seed)
            )
        rows = [
            {"row": row, "loss": _finite(part.loss[i]), "lo": _finite(part.low[i]), "hi": _finite(part.high[i])}
            for i, row in enumerate(step["rows"])
        ]
        progress(1)
        return {
            "rows": rows,
            "group": {
                "group": step["group"],
                "runs": len(part.table),
                "members_used": list(part.used),
                "notes": list(part.notes),
                "problems": [str(problem) for problem in part.table.problems],
            },
        }

    def gather(self, given: ForecastIn, parts: list[dict[str, Any]], job_id: str, owner: str) -> tuple[dict[str, Any], list[Fit]]:
        rows = sorted((row for part in parts for row in part["rows"]), key=lambda row: row["row"])
        return {"level": 0.9, "predictions": rows, "groups": [part["group"] for part in parts]}, []


def _finite(value: Any) -> float | None:
    return float(value) if abs(float(value)) < float("inf") else None


class _Sweeps:
    request = SweepIn

    def steps(self, kit: Kit, owner: str, given: SweepIn) -> list[list[int]]:
        places = range(len(given.items))
        return [list(places[start : start + SWEEP_STEP]) for start in places[::SWEEP_STEP]]

    def weight(self, given: SweepIn, step: list[int]) -> int:
        return len(step)

    def do(self, kit: Kit, owner: str, given: SweepIn, step: list[int], progress: Progress) -> dict[str, Any]:
        with computing(kit):
            plans = kit.plans.make_all(owner, [given.items[place] for place in step], progress)
        return {"plans": [_line(made) for made in plans]}

    def gather(self, given: SweepIn, parts: list[dict[str, Any]], job_id: str, owner: str) -> tuple[dict[str, Any], list[Fit]]:
        return {"plans": [line for part in parts for line in part["plans"]]}, []


def _line(made: Made | InputError | NotThere) -> dict[str, Any]:
    if isinstance(made, InputError):
        return {"problem": of_input(made).model_dump()}
    if isinstance(made, NotThere):
        return {"problem": {"title": "Not there", "detail": str(made)}}
    return {"plan": made.id, "headline": made.headline}


class _Evals:
    request = EvalIn

    def steps(self, kit: Kit, owner: str, given: EvalIn) -> list[str]:
        areas = sorted({card.area for card in LawBook()})
        if given.area is not None and given.area not in areas:
            raise InputError("area", f"no law is of the area {given.area!r}", f"areas: {', '.join(areas)}")
        return areas if given.area is None else [given.area]

    def weight(self, given: EvalIn, step: Any) -> int:
        return 1

    def do(self, kit: Kit, owner: str, given: EvalIn, step: str, progress: Progress) -> dict[str, Any]:
        laws = [card.id for card in LawBook() if card.area == step]
        with computing(kit):
            checked = spread(_check, [(law,) for law in laws], workers(), seconds=CHECK_SECONDS * len(laws))
        outcomes = [outcome for of_law in checked for outcome in of_law]
        progress(1)
        return {
            "area": step,
            "laws": len(laws),
            "checks": len(outcomes),
            "passed": sum(item["pass"] for item in outcomes),
            "failed": [item for item in outcomes if not item["pass"]][:50],
        }

    def gather(self, given: EvalIn, parts: list[dict[str, Any]], job_id: str, owner: str) -> tuple[dict[str, Any], list[Fit]]:
        return {"checks": sum(part["checks"] for part in parts), "passed": sum(part["passed"] for part in parts), "areas": parts}, []


def _check(law: str) -> list[dict[str, Any]]:
    from tools.law_checks import run_checks

    return [item.as_json() for item in run_checks([LawBook().get(law)])]


KINDS: dict[str, Kind] = {"fit": _Fits(), "forecast": _Forecasts(), "sweep": _Sweeps(), "eval": _Evals()}
