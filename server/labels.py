"""What the page shows of an answer's data, in the language of its question: every English text that is known, by its English."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent import format as fmt
from agent import translation
from agent.answer import Answer
from agent.translation import said, with_units
from tools.result import Assumption, Notice, Result, Value

# The unit each field of a brief is shown in.
UNITS = {
    "compute_flops": "FLOP",
    "budget_usd": "USD",
    "accelerator_hours": "h",
    "duration_seconds": "s",
    "price_per_accelerator_hour_usd": "USD",
    "params_total": "params",
    "params_active": "params",
    "tokens": "tokens",
    "unique_tokens": "tokens",
    "tokens_per_param": "tokens/param",
    "weight_bits": "bits",
    "memory_bytes": "bytes",
    "inference_tokens": "tokens",
    "inference_tokens_per_second": "tokens/s",
    "price_per_million_tokens_usd": "USD",
    "latency_ms_per_token": "ms/token",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "sequence_length": "tokens",
    "batch_tokens": "tokens/step",
    "target_loss": "nats/token",
    "observed_loss": "nats/token",
}
# Headings of the page that are titles of an answer's sections, and its other words around an answer.
_SECTIONS = {
    "What does not fit together": "conflicts",
    "The numbers": "summary",
    "What to watch": "notices",
    "What was assumed": "assumptions",
    "Sources": "sources",
}
_WORDS = (
    "What follows from it",
    "What if",
    "not set",
    "A little more is needed.",
    "Enough is",
    "value",
    "from",
    "because",
    "extrapolated",
    "interval basis",
    "law",
    "formula",
    "with",
    "source",
    "outside",
    "note",
    "steps",
    "and",
    "or",
)


def of_answer(answer: Answer) -> dict[str, str]:
    """English text -> the same in the question's language, for everything the page draws from an answer's data; empty for English."""
    language = answer.brief.language
    if language not in translation.LANGUAGES:
        return {}
    stated = answer.brief.stated()
    texts = [
        *_fixed(language),
        *_fields([*stated, *UNITS, *(field for way in answer.needs_any_of for field in way)], language),
        *(pair for field, item in stated.items() for pair in _amounts(field, item, language)),
        *_results(answer.results, language),
        *_notices([*answer.notices, *answer.advice], language),
        *_assumptions(answer.assumptions, language),
    ]
    return _changed(texts)


def of_result(result: Result, language: str | None) -> dict[str, str]:
    """The same for one result."""
    return _changed(_results([result], language)) if language in translation.LANGUAGES else {}


def _changed(texts: list[tuple[str, str]] | Iterator[tuple[str, str]]) -> dict[str, str]:
    return {english: way for english, way in texts if way != english}


def _fixed(language: str) -> Iterator[tuple[str, str]]:
    phrases = translation.words(language)
    yield from ((text, phrases["sections"][key]) for text, key in _SECTIONS.items())
    yield from ((text, said(text, language)) for text in _WORDS)
    yield "interval", phrases["header"]["interval"]
    yield from ((name, translation.mark(name, language)) for name in ("Warning", "Conflict"))


def _fields(names: list[str], language: str) -> Iterator[tuple[str, str]]:
    yield from ((text, said(text, language)) for text in (name.replace("_", " ") for name in names))


def _amounts(field: str, item: Any, language: str) -> Iterator[tuple[str, str]]:
    for one in item if isinstance(item, list) else [item]:
        if isinstance(one, str):
            yield from _fields([one], language)
        elif isinstance(one, int | float):
            yield _shown(fmt.quantity(one, UNITS.get(field, "")), language)


def _shown(text: str, language: str) -> tuple[str, str]:
    return text, translation.cell(text, language)


def _results(results: list[Result], language: str | None) -> Iterator[tuple[str, str]]:
    assert language is not None
    for result in results:
        yield from _fields([result.tool, *result.case], language)
        yield from (pair for field, item in result.case.items() for pair in _amounts(field, item, language))
        yield from _sentences(result.reasons, language)
        for key, value in result.values.items():
            label = value.label or key.replace("_", " ")
            yield label, with_units(said(label, language), language)
            yield from _value(value, language)
        for table in result.tables if not result.feasible else []:  # drawn in place of the numbers there are not
            yield from ((text, said(text, language)) for text in (table.title, *(column.label or column.name for column in table.columns)))
            cells = [(cell, column.unit) for row in table.rows for cell, column in zip(row, table.columns, strict=True)]
            yield from (_shown(fmt.quantity(cell, unit), language) for cell, unit in cells)


def _value(value: Value, language: str) -> Iterator[tuple[str, str]]:
    yield _shown(fmt.shown(value), language)
    yield _shown(fmt.interval(value), language)
    for text in (value.source, value.formula, value.note, value.interval_basis, *value.outside):
        yield text, said(text, language)


def _notices(notices: list[Notice], language: str) -> Iterator[tuple[str, str]]:
    yield from _sentences([notice.text for notice in notices], language)


def _sentences(texts: list[str], language: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        found = said(text, language)
        yield text, with_units(found, language) if found != text else text


def _assumptions(assumptions: list[Assumption], language: str) -> Iterator[tuple[str, str]]:
    for item in assumptions:
        yield from _fields([item.field], language)
        yield _shown(fmt.quantity(item.value, item.unit), language)
        yield item.source, said(item.source, language)
