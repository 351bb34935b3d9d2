"""The longer messages as Block Kit: how a plan comes about, and what a fit found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.answer import Answer
from agent.compose import asked_results
from agent.format import interval, quantity
from server.slack.blocks import ROWS, Block, context, section, table
from server.slack.text import bullets, code, cut, mrkdwn
from tools.result import Result, Value

_TEXT = 2500  # characters of a paragraph of values: below a section's 3000, with room for the cut


def explain_blocks(answer: Answer) -> list[Block]:
    """Every value with its interval, law, formula and source, the asked-for results first."""
    asked = asked_results(answer.brief, answer.results)
    rest = [item for item in answer.results if item not in asked]
    head = section(f"*How this comes about*: {mrkdwn(cut(answer.headline, 600))}")
    return [head, *(block for result in [*asked, *rest] for block in _explained(result))]


def _explained(result: Result) -> list[Block]:
    title = result.tool.replace("_", " ").capitalize()
    order = [*result.headline, *(key for key in result.values if key not in result.headline)]
    return [section(f"*{mrkdwn(title)}*\n{text}") for text in _packed(_value_lines(order, result.values))]


def _packed(parts: list[str]) -> list[str]:
    """Paragraphs joined into as few texts as their size allows."""
    texts: list[str] = []
    for part in (cut(part, _TEXT - 100) for part in parts):
        if texts and len(texts[-1]) + len(part) < _TEXT:
            texts[-1] += "\n" + part
        else:
            texts.append(part)
    return texts


def _value_lines(order: Sequence[str], values: dict[str, Value]) -> list[str]:
    """A line for each value; where neighbours come about in the same way, that is told once, below the last of them."""
    told = [_facts(values[key]) for key in order]
    lines: list[str] = []
    for i, key in enumerate(order):
        value = values[key]
        line = f"• *{mrkdwn(value.label or key.replace('_', ' '))}*: {mrkdwn(cut(quantity(value.value, value.unit), 200))}"
        line += f" ({mrkdwn(spread)})" if (spread := interval(value)) else ""
        last = i + 1 == len(order) or told[i + 1] != told[i]
        lines.append(f"{line}\n    {told[i]}" if told[i] and last else line)
    return lines


def _facts(value: Value) -> str:
    outside = "outside the fitted range: " + "; ".join(value.outside) if value.outside else ""
    facts = [mrkdwn(value.law), code(cut(value.formula, 300)), mrkdwn(cut(value.source, 200)), mrkdwn(outside)]
    return " · ".join(fact for fact in facts if fact)


def fit_blocks(name: str, fits: Sequence[dict[str, Any]], figures: Sequence[Block] = ()) -> tuple[str, list[Block]]:
    """The report of fits to an uploaded table: verdict, coefficients, figure, notes. Returns the plain text for notifications too."""
    first = fits[0]
    text = f"{first['form']} fitted to {name}: {first['report'].get('verdict', '')}" if len(fits) == 1 else f"{len(fits)} fits to {name}"
    blocks = [section(f"*{mrkdwn(cut(text, 600))}*"), *_coefficients(fits), *figures]
    if len(fits) > 1:
        blocks.append(section("*Verdicts*\n" + bullets([mrkdwn(f"{_group(fit)}: {fit['report'].get('verdict', '')}") for fit in fits])))
    notes = dict.fromkeys(str(note) for fit in fits for note in fit["report"].get("problems") or [])
    if notes:
        blocks.append(section("*About the table*\n" + bullets([mrkdwn(note) for note in notes])))
    laws = [fit["id"] for fit in fits if fit["has_law"]]
    if len(laws) == 1:
        return text, [*blocks, context("The fitted law is used for the questions that follow in this thread.")]
    stored = f"Stored as {mrkdwn(', '.join(laws[:6]))}." if laws else "These runs determine no law; the verdict says why."
    return text, [*blocks, context(stored)]


def _coefficients(fits: Sequence[dict[str, Any]]) -> list[Block]:
    rows = [
        [_group(fit), key, _digits(value, 6), *_spread(fit["report"], key)]
        for fit in fits
        for key, value in (fit["report"].get("params") or {}).items()
    ]
    if not rows:
        return []
    names = ["group", "coefficient", "value", "standard error", "90% interval"]
    skip = 0 if len(fits) > 1 else 1
    more = [context(f"{len(rows) - ROWS} more coefficients in the stored fits.")] if len(rows) > ROWS else []
    return [table(names[skip:], [row[skip:] for row in rows])[0], *more]


def _group(fit: dict[str, Any]) -> str:
    group = fit["report"].get("group") or {}
    return ", ".join(f"{key}={value}" for key, value in group.items()) if isinstance(group, dict) else str(group)


def _digits(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, int | float) else ""


def _spread(report: dict[str, Any], key: str) -> list[str]:
    error, span = (report.get("se") or {}).get(key), (report.get("interval90") or {}).get(key) or [None, None]
    ends = [_digits(end, 5) for end in span]
    return [_digits(error, 3), f"{ends[0]} to {ends[1]}" if all(ends) else ""]
