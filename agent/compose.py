"""Composing the answer object from results: sections, notices, advice, sources, versions."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agent import figures, wording
from agent.advice import raise_advice
from agent.answer import Answer, Section
from agent.brief import Brief
from agent.checker import strings_of, ungrounded
from agent.format import quantity
from agent.state import AskState, Context
from agent.translation import phrase, said, titled, translated
from knowledge.library import base_version
from tools.curves import FIGURE_TABLES
from tools.result import Assumption, Notice, Result

WHAT_TO_ASK = (
    "best model for 1e22 FLOPs on 8 H100s",
    "how long for 70B on 15T tokens with 1024 H100s?",
    "what loss will a 7B model reach on 2T tokens?",
    "can I train a 13B on 8 A100 40GB?",
)
_LONG = 25  # rows of a table that faces may fold away
_WAYS = 3  # ways to complete a question that a sentence can hold; the form has them all
_REFERENCE = ("_relations", "_checks")  # tables of a law's explanation to look things up in
_EXTRAPOLATED = "Extrapolated: "


@functools.cache
def _program() -> str:
    try:
        return version("flopwise")
    except PackageNotFoundError:
        return "source tree"


def versions() -> dict[str, str]:
    """What an answer needs for being replayed: the program and the content of the law base."""
    return {"flopwise": _program(), "law_base": base_version()}


def answer(state: AskState, context: Context, prose: str = "") -> Answer:
    """The answer to a question whose tools have run, or that asks back, or that lies outside planning. `prose`: a model's checked headline."""
    brief, results = state["brief"], _distinct(state.get("results", []))
    notices = _merged([*state.get("notices", []), *(notice for result in results for notice in result.warnings)])
    advice = raise_advice(brief, results, context.laws) if results else []
    assumptions = _unique([item for result in results for item in result.assumptions])
    headline = prose or _headline(brief, results, state)
    said_already = "" if state.get("view") == "why" else headline  # asked why, reasons are the answer and its first section
    draft = Answer(
        question=state.get("question", ""),
        brief=brief,
        headline=headline,
        sections=_sections(brief, results, assumptions, notices, advice, said_already),
        results=results,
        assumptions=assumptions,
        notices=notices,
        advice=advice,
        sources=wording.references(results, context.laws),
        needs=[wording.need(field) for field in dict.fromkeys(field for way in state.get("needs", []) for field in way)],
        needs_any_of=state.get("needs", []),
        figures=titled(figures.specs(results), brief.language),
        understood_by=state.get("understood_by", "built-in"),
        worded_by=context.model or "" if prose else "built-in",
        versions=versions(),
    )
    draft.sections += _source_section(draft)
    draft.sections = [translated(section, brief.language) for section in _viewed(draft, state.get("view", "answer"))]
    stray = ungrounded(draft.headline, _grounds(draft))
    if stray:
        raise AssertionError(f"numbers {sorted(stray)} of the headline are in neither the question nor a result")
    return draft


def _distinct(results: list[Result]) -> list[Result]:
    """Results that say something of their own: laws compared by a tool that takes neither of them give one answer, not two."""
    seen: list[tuple[str, Any]] = []
    kept: list[Result] = []
    for result in results:
        told = (result.tool, result.values)
        if set(result.case) == {"laws"} and told in seen:
            continue
        seen.append(told)
        kept.append(result)
    return kept


def _grounds(draft: Answer) -> list[str]:
    """Texts whose numbers an answer may repeat: the question, the brief, and every value as rendered."""
    rendered = [quantity(value.value, value.unit) for result in draft.results for value in result.values.values()]
    told = [
        text
        for result in draft.results
        for text in [*result.reasons, *(notice.text for notice in result.warnings), wording.case_name(result.case, draft.brief.language)]
    ]
    labels = [text for result in draft.results for key, value in result.values.items() for text in (key, value.label)]
    return [
        draft.question,
        *WHAT_TO_ASK,
        *rendered,
        *labels,
        *told,
        *strings_of(draft.brief.stated()),
        *(need.example for need in draft.needs),
    ]


def _headline(brief: Brief, results: list[Result], state: AskState) -> str:
    language = brief.language
    if brief.task == "out_of_scope":
        english = "That is outside what flopwise plans: training, serving and scaling of models. You can ask, for example: {examples}."
        return phrase(language, "out_of_scope", english, examples="; ".join(WHAT_TO_ASK))
    if not results:
        both, either = phrase(language, "and", " and "), phrase(language, "or", " or ")
        ways = either.join(both.join(said(field.replace("_", " "), language) for field in way) for way in state.get("needs", [])[:_WAYS])
        if not ways:
            return phrase(language, "no_tool", "No tool answers this question.")
        return phrase(language, "need", "To answer this I need {ways}.", ways=ways)
    asked = asked_results(brief, results)
    if state.get("view") == "why" and (reasons := list(dict.fromkeys(reason for result in asked for reason in result.reasons))):
        return " ".join(said(reason, language) for reason in reasons[:3])
    return " ".join(dict.fromkeys(wording.headline(result, language) for result in asked[:4]))


def _viewed(draft: Answer, view: str) -> list[Section]:
    """The sections in the order a follow-up asks for: reasons first for "why?", every number's formula first for "show me the formula"."""
    if view == "answer" or not draft.results:
        return draft.sections
    explained = wording.explain_sections(draft.results)
    first = [section for section in draft.sections if section.key in ("conflicts", "reasons")] if view == "why" else []
    shown = [*first, *explained]
    return [*shown, *(section for section in draft.sections if section not in shown and section.key == "sources")]


def _sections(
    brief: Brief, results: list[Result], assumptions: list[Assumption], notices: list[Notice], advice: list[Notice], headline: str
) -> list[Section]:
    sections: list[Section] = []
    if conflicts := [notice for notice in notices if notice.level == "conflict"]:
        sections.append(Section(key="conflicts", title="What does not fit together", lines=wording.notice_lines(conflicts)))
    asked = asked_results(brief, results)
    if results:
        sections.append(wording.summary_section(results, asked))
        sections.append(
            Section(
                key="reasons",
                title="Why",
                lines=[reason for reason in dict.fromkeys(r for result in asked for r in result.reasons) if reason not in headline],
            )
        )
    for result in results:
        if result in asked and (other := wording.alternatives_section(result)):
            sections.append(other)
        sections += [
            wording.table_section(result, table, detail=result not in asked or len(table.rows) > _LONG or table.name.endswith(_REFERENCE))
            for table in result.tables
            if table.name not in FIGURE_TABLES
        ]
        sections.append(wording.result_section(result))
    if rest := [notice for notice in [*notices, *advice] if notice.level != "conflict"]:
        sections.append(Section(key="notices", title="What to watch", lines=list(dict.fromkeys(wording.notice_lines(rest)))))
    if assumptions:
        sections.append(Section(key="assumptions", title="What was assumed", lines=wording.assumption_lines(assumptions)))
    return [section for section in sections if section.lines or (section.grid and section.grid.rows)]


def asked_results(brief: Brief, results: list[Result]) -> list[Result]:
    """The results of the tasks asked for, follow-ups left out."""
    return [result for result in results if result.task in {brief.task, *(brief.also or [])}] or results[:1]


def _merged(notices: list[Notice]) -> list[Notice]:
    """Notices with the extrapolations of one law in one: what several tools say of the same run is said once."""
    flags: dict[str, list[str]] = {}
    advice: dict[str, list[str]] = {}
    for notice in notices:
        if notice.text.startswith(_EXTRAPOLATED):
            first, _, more = notice.text.removeprefix(_EXTRAPOLATED).partition(". ")
            flags.setdefault(notice.source, []).extend(first.rstrip(".").split("; "))
            advice.setdefault(notice.source, []).extend([more] if more else [])
    merged: list[Notice] = []
    for notice in notices:
        if notice.text.startswith(_EXTRAPOLATED):
            outside = "; ".join(dict.fromkeys(flags[notice.source]))
            notice = notice.model_copy(update={"text": " ".join([f"{_EXTRAPOLATED}{outside}.", *dict.fromkeys(advice[notice.source])])})
        if notice not in merged:
            merged.append(notice)
    return merged


def _source_section(draft: Answer) -> list[Section]:
    if not draft.sources:
        return []
    return [Section(key="sources", title="Sources", lines=[f"{item.law}: {item.title} ({item.cite})" for item in draft.sources])]


def _unique(assumptions: list[Assumption]) -> list[Assumption]:
    seen: dict[str, Assumption] = {}
    for item in assumptions:
        seen.setdefault(f"{item.field}={item.value}", item)
    return list(seen.values())
