"""What a page draws from: a plan bent by sliders, a law's card with its figures and checks, amounts typed by a person, plans as documents."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent import document, figures, wording
from agent.answer import Section
from agent.format import quantity
from agent.translation import titled, translated
from agent.understand.amounts import read_amount
from knowledge.library import LawBook
from knowledge.schema import LawCard
from server import labels
from server.auth import Asker
from server.labels import UNITS
from server.paging import own
from server.plans import FIT, own_law
from server.store.tables import Fit
from tools.curves import FIGURE_TABLES
from tools.registry import call
from tools.result import Result

router = APIRouter(tags=["views"])


class PreviewIn(BaseModel):
    """A tool and its fields; `law`: an id of the base, or of a fit of one's own; `language`: that of the question."""

    model_config = ConfigDict(extra="forbid")

    tool: str = Field(max_length=64)
    fields: dict[str, Any]
    language: str | None = Field(default=None, max_length=8)


class PreviewOut(BaseModel):
    """A result in words, tables and figures, as an answer would show it, `labels` as in a plan. Nothing is kept."""

    result: Result
    headline: str
    sections: list[Section]
    figures: list[dict[str, Any]]
    labels: dict[str, str] = {}


class AmountIn(BaseModel):
    """What a person typed for a field of a brief, and the language they write."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(max_length=64)
    text: str = Field(max_length=200)
    language: str = Field(default="en", max_length=8)


class AmountOut(BaseModel):
    """The amount in the field's unit, and as it is shown."""

    field: str
    value: Any
    shown: str


class HitLine(BaseModel):
    """A law found by words; without an id, a paper that has none and why."""

    law: str
    title: str
    area: str
    kind: str
    summary: str
    reason: str = ""


class LawView(BaseModel):
    """A card with what follows from it: formulas by relation, figures, and what became of its checks."""

    card: LawCard
    formulas: dict[str, str]
    figures: list[dict[str, Any]]
    checks: list[dict[str, Any]]


class FormLine(BaseModel):
    """A form that can be fitted to runs."""

    name: str
    title: str
    columns: list[str]


@router.post("/preview", response_model_exclude_none=True)
def preview(given: PreviewIn, request: Request, caller: Asker) -> PreviewOut:
    """One tool's result, worded. For sliders: it is not kept and takes no second step."""
    fields, laws = dict(given.fields), LawBook()
    law = fields.get("law")
    if isinstance(law, str) and law.startswith(FIT):
        card = own_law(request.app.state.store, caller.owner, law)
        fields["law"], laws = card.id, laws.with_laws([card])
    result = call(given.tool, fields, laws)
    tables = [wording.table_section(result, table) for table in result.tables if table.name not in FIGURE_TABLES]
    others = wording.alternatives_section(result)
    notices = Section(key="notices", title="What to watch", lines=wording.notice_lines(result.warnings))
    sections = [*([others] if others else []), *tables, *([notices] if notices.lines else [])]
    language = given.language
    return PreviewOut(
        result=result,
        headline=wording.headline(result, language),
        sections=[translated(section, language) for section in sections],
        figures=titled(figures.specs([result]), language),
        labels=labels.of_result(result, language),
    )


@router.post("/amounts")
def read(given: AmountIn) -> AmountOut:
    """Read what a person typed for one field."""
    value = read_amount(given.field, given.text, given.language)
    return AmountOut(field=given.field, value=value, shown=quantity(value, UNITS.get(given.field, "")))


@router.get("/search")
def find(q: str = Query(min_length=1, max_length=400), limit: int = Query(40, ge=1, le=200)) -> list[HitLine]:
    """Laws and papers by words, best first."""
    from knowledge.search import search

    formulas = {card.id: " ".join(_formulas(card).values()) for card in LawBook()}
    return [HitLine.model_validate(hit, from_attributes=True) for hit in search(q, limit, formulas)]


@router.get("/laws/{law_id}/view", response_model_exclude_none=True)
def law_view(law_id: str) -> LawView:
    """A card of the base with formulas, figures and checks."""
    return view_of(LawBook().get(law_id))


@router.get("/fits/{fit_id}/view", response_model_exclude_none=True)
def fit_view(fit_id: str, request: Request, caller: Asker) -> LawView:
    """The card of a fit of one's own, in the same form."""
    with request.app.state.store.read() as session:
        own(session, Fit, fit_id, caller.owner)
    return view_of(own_law(request.app.state.store, caller.owner, fit_id))


@router.get("/fit-forms")
def forms() -> list[FormLine]:
    """Forms that can be fitted, with the columns each needs."""
    from tools.fitting.spec import fit_forms

    return [FormLine(name=item.name, title=item.title, columns=[*item.inputs.values(), item.target]) for item in fit_forms().values()]


@router.get(
    "/plans/{plan_id}/document",
    response_class=Response,
    responses={200: {"content": {"text/markdown": {}, "text/html": {}}, "description": "The plan"}},
)
def plan_document(plan_id: str, request: Request, caller: Asker, form: Literal["markdown", "html"] = "markdown") -> Response:
    """A plan as one file that needs nothing else."""
    answer = request.app.state.plans.get(caller.owner, plan_id).out.answer
    if form == "markdown":
        return Response(document.markdown(answer), media_type="text/markdown; charset=utf-8")
    return Response(
        document.html(answer, _drawings(answer.figures)),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"},
    )


def _drawings(specs: list[dict[str, Any]]) -> dict[str, str]:
    """Each figure's title -> SVG; nothing without the extra `figures`, since the numbers are in the tables."""
    try:
        return {str(spec.get("title", f"Figure {number}")): figures.svg(spec) for number, spec in enumerate(specs, 1)}
    except ImportError:
        return {}


def view_of(card: LawCard) -> LawView:
    """A card with formulas, figures and outcomes of its checks."""
    from tools.law_checks import run_checks
    from tools.law_sweep import sweeps

    return LawView(
        card=card,
        formulas=_formulas(card),
        figures=[_curve(card, asdict(drawn)) for drawn in sweeps(card)],
        checks=[outcome.as_json() for outcome in run_checks([card])],
    )


def _formulas(card: LawCard) -> dict[str, str]:
    from tools.forms import get_form

    return {name: get_form(relation.form).formula for name, relation in card.relations.items()}


def _curve(card: LawCard, drawn: dict[str, Any]) -> dict[str, Any]:
    """A sweep as a Vega-Lite spec."""
    relation = card.relations[drawn["relation"]]
    x, y = drawn["input"], drawn["output"]
    units = {name: variable.unit for name, variable in (*relation.inputs.items(), *relation.outputs.items())}
    fixed = ", ".join(f"{name} = {quantity(value, units.get(name, ''))}" for name, value in drawn["fixed"].items())
    points = [{x: a, y: b} for a, b in zip(drawn["x"], drawn["y"], strict=True)]
    wide, tall = _spans_decades(drawn["x"]), _spans_decades(drawn["y"])
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"{drawn['relation']}: {y} against {x}",
        "description": f"{y} of {card.id} against {x} over the range it was fitted on" + (f", at {fixed}" if fixed else ""),
        "data": {"values": points},
        "width": 460,
        "height": 260,
        "mark": {"type": "line"},
        "encoding": {
            "x": {
                "field": x,
                "type": "quantitative",
                "title": _title(x, units[x]),
                "scale": {"type": "log"} if wide else {"zero": False},
                "axis": {"format": "~e" if wide else "~g", "tickCount": 6},
            },
            "y": {
                "field": y,
                "type": "quantitative",
                "title": _title(y, units[y]),
                "scale": {"type": "log"} if tall else {"zero": False},
                "axis": {"format": "~e" if tall else "~g", "tickCount": 6},
            },
            "tooltip": [{"field": name, "type": "quantitative", "format": ".4~g"} for name in (x, y)],
        },
    }


def _spans_decades(values: list[float]) -> bool:
    return min(values) > 0 and max(values) > 30 * min(values)


def _title(name: str, unit: str) -> str:
    return f"{name}, {unit}" if unit else name
