"""Wording without a language model: templates around rendered result fields; no digit is written here."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Any

from agent import format as fmt
from agent.answer import Grid, Need, Reference, Section
from agent.translation import headlines, phrase, said, with_units, words
from knowledge.library import LawBook, parse_yaml
from tools.result import Alternative, Assumption, Notice, Result, Table, Value

_SHORT = 46  # characters of a source shown in a table; `--explain` has it whole

# Example wording for a field that is asked back.
EXAMPLES: dict[str, tuple[str, str]] = {
    "compute_flops": ("FLOP", "1e22 FLOPs"),
    "budget_usd": ("USD", "$50k"),
    "accelerator_hours": ("accelerator-hours", "10k H100 hours"),
    "accelerator": ("id", "H100"),
    "n_accelerators": ("count", "64"),
    "duration_seconds": ("s", "two weeks"),
    "params_total": ("params", "7B"),
    "tokens": ("tokens", "2T tokens"),
    "unique_tokens": ("tokens", "40B unique tokens"),
    "weight_bits": ("bits", "4-bit"),
    "target_loss": ("nats/token", "loss 2.1"),
    "runs": ("file", "runs.csv"),
    "samples": ("attempts", "100 samples"),
    "pass_rate": ("fraction", "pass@1 of 12%"),
}


_PLACE = r"{(\w+)(?::label)?}"  # a value's place in a template; `:label` stands for its label
_EXPLAINED = 2  # sentences of an explanation that lead an answer
_LAWS_NAMED = 4  # laws a headline can name, each with its numbers
_NAMED = 3  # values a headline names when no template fits


@functools.cache
def _templates() -> dict[str, list[str]]:
    return parse_yaml((files("agent") / "templates.yaml").read_text(encoding="utf8"))


def headline(result: Result, language: str | None = None) -> str:
    """One sentence for a result: the first template that fits (the language's own first), else its first headline values by label."""
    case = case_name(result.case, language)
    templates = [*headlines(language, result.tool), *_templates().get(result.tool, [])]
    sentence = next((text for template in templates if (text := _fill(template, result.values, language))), None)
    sentence = sentence or _by_law(result) or _listed(result)
    sentence = with_units(said(sentence, language), language)
    if not case:
        return sentence
    return phrase(
        language,
        "with_case",
        "With {case}: {sentence}",
        case=case,
        sentence=sentence if words(language) else sentence[:1].lower() + sentence[1:],
    )


_PRICES = {"price_per_accelerator_hour_usd": "USD/h", "price_per_million_tokens_usd": "USD/1M tokens"}


def case_name(case: dict[str, Any], language: str | None = None) -> str:
    """One of several compared cases in words: "64 x h100-sxm", "7.00B params", "laws kaplan2020"."""
    left = dict(case)
    parts: list[str] = []
    if {"n_accelerators", "accelerator"} <= left.keys():
        parts.append(f"{fmt.quantity(int(left.pop('n_accelerators')), '')} x {left.pop('accelerator')}")
    for key, item in left.items():
        unit = _PRICES.get(key) or EXAMPLES.get(key, ("", ""))[0]
        if key in ("accelerator", "models", "laws"):
            parts.append(str(item))
        elif key == "n_accelerators":
            parts.append(fmt.quantity(int(item), "accelerators"))
        elif isinstance(item, int | float) and unit not in ("", "count", "id"):
            parts.append(with_units(fmt.quantity(item, unit), language))
        else:
            parts.append(f"{said(key.replace('_', ' '), language)} {item if isinstance(item, str) else fmt.short(item)}")
    return ", ".join(parts)


def _by_law(result: Result) -> str:
    """What each of a few laws compared says: "kaplan2020: 41.7B params, 72.1B tokens; hoffmann2022: ..."."""
    if result.tool != "compare_laws" or not 2 <= len(result.alternatives) <= _LAWS_NAMED:
        return ""
    told: list[str] = []
    for item in result.alternatives:
        numbers = [fmt.shown(value) if value.unit else f"{_label(key, value)} {fmt.shown(value)}" for key, value in item.values.items()]
        if numbers:
            told.append(f"{item.name}: {', '.join(numbers[:_NAMED])}")
    return "; ".join(told) + "." if len(told) > 1 else ""


def _listed(result: Result) -> str:
    values = [(key, result.values[key]) for key in result.headline if key in result.values][:_NAMED]
    if not values:
        sentences = result.reasons[: _EXPLAINED if result.tool == "explain" else 1] or [notice.text for notice in result.warnings[:1]]
        return " ".join(sentences) or "No numbers follow from this."
    text = "; ".join(
        str(value.value).rstrip(".")
        if isinstance(value.value, str) and " " in value.value
        else f"{_label(key, value).rstrip(':')}: {fmt.shown(value)}"
        for key, value in values
    )
    return text[:1].upper() + text[1:] + "."


def _fill(template: str, values: dict[str, Value], language: str | None = None) -> str:
    """A template with its values, or nothing when one outside brackets is absent."""

    def clause(match: re.Match[str]) -> str:
        names = re.findall(_PLACE, match[1])
        return match[1] if all(name in values for name in names) else ""

    text = re.sub(r"\[([^\]]*)\]", clause, template)
    if any(name not in values for name in re.findall(_PLACE, text)):
        return ""
    text = re.sub(r"{(\w+):label}", lambda match: said(_label(match[1], values[match[1]]), language), text)
    text = re.sub(_PLACE, lambda match: fmt.shown(values[match[1]]), text)
    text = re.sub(r"\s+([.,:;])", r"\1", re.sub(r"\s{2,}", " ", text)).strip(" ,")
    text = re.sub(r"([.:])\.(?=\s|$)", r"\1", text)  # a value that is a sentence brings its own full stop
    return text[:1].upper() + text[1:] if len(text) > 1 else ""


def _label(key: str, value: Value) -> str:
    return value.label or key.replace("_", " ")


# The same quantity under the key of another tool.
_SAME = {"train_usd": "cost_usd", "serving_usd": "inference_cost_usd", "budget_usd": "total_cost_usd"}


def summary_section(results: list[Result], asked: list[Result]) -> Section:
    """The headline values of every result in one table: value, interval, where from. What follows from the answer does not say again
    what the answer said: a quantity of one case has one row, that of the first result.
    """
    if len({case_name(result.case) for result in results}) > 1 and all(result.case for result in results):
        return _side_by_side(results)
    rows: list[list[str]] = []
    told: set[tuple[str, str]] = set()
    for result in results:
        case = case_name(result.case)
        for key in result.headline:
            what = (_SAME.get(key, key), case)
            if key not in result.values or (what in told and result not in asked):
                continue
            told.add(what)
            value = result.values[key]
            row = [_label(key, value) + (f" ({case})" if case else ""), fmt.shown(value), fmt.interval(value), _origin(value)]
            if row not in rows:
                rows.append(row)
    return Section(key="summary", title="The numbers", grid=Grid(header=["", "value", _interval_title(results), "from"], rows=rows))


def _side_by_side(results: list[Result]) -> Section:
    """Cases compared: a row each, the headline values of their results with intervals in columns."""
    cases: dict[str, dict[str, Value]] = {}
    columns: dict[str, str] = {}
    for result in results:
        values = cases.setdefault(case_name(result.case), {})
        for key in result.headline:
            # What the case itself says, such as the count of accelerators, is not said again.
            if key in result.values and key not in result.case:
                column, label = _SAME.get(key, key), _label(key, result.values[key])
                if columns.setdefault(column, label) != label:
                    columns[column] = key.replace("_", " ")
                values.setdefault(column, result.values[key])
    shown = {key: label for key, label in columns.items() if sum(key in values for values in cases.values()) > 1}
    rows = [[name, *(_with_interval(values.get(key)) for key in shown)] for name, values in cases.items()]
    return Section(key="summary", title="The numbers", grid=Grid(header=["", *shown.values()], rows=rows))


def _with_interval(value: Value | None) -> str:
    """ "28.6 days (90%: 14.9 to 54.6)"; a dash where a case has no such value."""
    if value is None:
        return "-"
    interval = fmt.interval(value)
    level = f"{value.level:.0%}: " if value.level is not None else ""
    return f"{fmt.shown(value)} ({level}{interval})" if interval else fmt.shown(value)


def result_section(result: Result) -> Section:
    """Every value of one result as a table."""
    rows = [[_label(key, value), fmt.shown(value), fmt.interval(value), _origin(value)] for key, value in _ordered(result)]
    return Section(
        key=result.tool,
        title=f"{_title(result)} in full",
        grid=Grid(header=["", "value", _interval_title([result]), "from"], rows=rows),
        detail=True,
    )


def _title(result: Result) -> str:
    return result.tool.replace("_", " ").capitalize()


def _ordered(result: Result) -> list[tuple[str, Value]]:
    first = [key for key in result.headline if key in result.values]
    return [(key, result.values[key]) for key in [*first, *(key for key in result.values if key not in first)]]


def _interval_title(results: list[Result]) -> str:
    levels = {value.level for result in results for value in result.values.values() if value.level is not None}
    return f"{min(levels):.0%} interval" if levels else "interval"


def _origin(value: Value) -> str:
    flag = ", extrapolated" if value.outside else ""
    source = value.law or value.source or value.formula
    return (source if len(source) <= _SHORT else source[: source.rfind(" ", 0, _SHORT)] + " ...") + flag


def table_section(result: Result, table: Table, *, detail: bool = False) -> Section:
    """A table of a result, rendered in its columns' units."""
    header = [column.label or column.name for column in table.columns]
    rows = [[fmt.quantity(cell, column.unit) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return Section(
        key=f"{result.tool}.{table.name}",
        title=f"{table.title} ({case})" if (case := case_name(result.case)) else table.title,
        grid=Grid(header=header, rows=rows),
        lines=[table.note] if table.note else [],
        detail=detail,
    )


_PARAMS = ("params_total", "params_nonembedding")  # counts of params that differ by law share one column


def alternatives_section(result: Result) -> Section | None:
    """What other laws, or other choices, say about the same question."""
    shown = [(item, _merged(item)) for item in result.alternatives if item.values]
    if not shown:
        return None
    keys = list(dict.fromkeys(key for _, values in shown for key in values))
    rows = [
        [item.name, *(fmt.shown(values[key]) if key in values else "" for key in keys), _alternative_note(item)] for item, values in shown
    ]
    header = ["law", *(key.replace("_", " ") for key in keys), "note"]
    return Section(key=f"{result.tool}.alternatives", title="What else is said", grid=Grid(header=header, rows=rows))


def _merged(item: Alternative) -> dict[str, Value]:
    return {"params" if key in _PARAMS else key: value for key, value in item.values.items()}


def _alternative_note(item: Alternative) -> str:
    outside = "extrapolated" if any(value.outside for value in item.values.values()) else ""
    return "; ".join(part for part in (item.note, outside) if part)


def assumption_lines(assumptions: list[Assumption]) -> list[str]:
    """`field = value: source`, one line each."""
    return [f"{item.field.replace('_', ' ')} = {fmt.quantity(item.value, item.unit)}: {item.source}" for item in assumptions]


def notice_lines(notices: list[Notice]) -> list[str]:
    """Notices as sentences, conflicts and warnings marked."""
    mark = {"conflict": "Conflict: ", "warning": "Warning: ", "caution": "", "info": ""}
    return [mark[item.level] + item.text + (f" [{item.source}]" if item.source else "") for item in notices]


def explain_sections(results: list[Result]) -> list[Section]:
    """Every number's formula, inputs and source."""
    sections: list[Section] = []
    for result in results:
        lines = []
        for key, value in _ordered(result):
            inputs = ", ".join(f"{name} = {_input(item)}" for name, item in value.inputs.items())
            parts = [
                f"{_label(key, value)} = {fmt.shown(value)}",
                value.formula,
                f"with {inputs}" if inputs else "",
                _full_origin(value),
                value.note,
            ]
            lines.append("; ".join(part for part in parts if part))
        sections.append(Section(key=f"{result.tool}.explained", title=f"{_title(result)}, number by number", lines=lines))
    return sections


def _input(item: Any) -> str:
    return fmt.exact(item) if isinstance(item, int | float) and not isinstance(item, bool) else str(item)


def _full_origin(value: Value) -> str:
    names = (value.law, value.relation, f"@{value.variant}" if value.variant else "")
    law = " ".join(["law", *(name for name in names if name)]) if value.law else ""
    region = "outside the fit region: " + ", ".join(value.outside) if value.outside else ""
    basis = f"interval from {value.interval_basis}" if value.interval_basis else ""
    return "; ".join(part for part in (law, value.source, region, basis) if part)


def references(results: list[Result], laws: LawBook) -> list[Reference]:
    """The cards an answer rests on, in order of first use."""
    used = dict.fromkeys(
        value.law
        for result in results
        for value in [*result.values.values(), *(v for a in result.alternatives for v in a.values.values())]
        if value.law
    )
    found: list[Reference] = []
    for law in used:
        if law in laws:
            card = laws.get(law)
            year = f" {card.year}" if card.year else ""  # a fit of the user's own has none
            found.append(
                Reference(law=law, title=card.title, cite=f"{card.authors}{year}" + (f", arXiv:{card.arxiv}" if card.arxiv else ""))
            )
    return found


def need(field: str) -> Need:
    """A form entry for a field to ask back."""
    unit, example = EXAMPLES.get(field, ("", ""))
    return Need(field=field, unit=unit, example=example)
