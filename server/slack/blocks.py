"""Answers as Block Kit. Everything that comes from outside is escaped; everything is cut to what Slack takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.answer import Answer, Section
from agent.compose import asked_results
from agent.format import quantity
from server.slack.text import bullets, code, cut, mrkdwn
from tools.result import Result, Value

Block = dict[str, Any]

SECTION, PLAIN, ALT, BUTTON = 2900, 150, 1900, 70  # characters, a little below Slack's 3000, 150, 2000 and 75
TABLE_ROWS, TABLE_COLUMNS, TABLE_CHARACTERS, CELL = 14, 12, 8000, 160
_WARNINGS, _ASSUMED, _OTHERS = 4, 4, 5


def section(text: str) -> Block:
    """A paragraph of mrkdwn that is already escaped."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}


def context(text: str) -> Block:
    """Small print of mrkdwn that is already escaped."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, SECTION)}]}


def button(label: str, action: str, value: str, **more: Any) -> Block:
    """A button of plain text."""
    return {"type": "button", "text": {"type": "plain_text", "text": cut(label, BUTTON)}, "action_id": action, "value": value, **more}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Block, int]:
    """A table block and how many rows it shows; columns that are empty in every row are left out."""
    used = [i for i in range(len(header)) if i == 0 or any(row[i].strip() for row in rows)][:TABLE_COLUMNS]
    lines = [[header[i] or "quantity" for i in used]]
    budget = TABLE_CHARACTERS - sum(map(len, lines[0]))
    for row in rows[:TABLE_ROWS]:
        cells = [cut(row[i].strip(), CELL) or "–" for i in used]
        budget -= sum(map(len, cells))
        if budget < 0:
            break
        lines.append(cells)
    settings = [{"is_wrapped": True}, *({"align": "right"} if _numeric(lines, i) else {"is_wrapped": True} for i in range(1, len(used)))]
    block = {
        "type": "table",
        "column_settings": settings,
        "rows": [[{"type": "raw_text", "text": text} for text in line] for line in lines],
    }
    return block, len(lines) - 1


def _numeric(lines: list[list[str]], i: int) -> bool:
    return len(lines) > 1 and all(line[i][:1].isdigit() or line[i][:1] in "$-–<>~" for line in lines[1:])


def figure(file_id: str, spec: dict[str, Any]) -> Block:
    """An uploaded picture with its alternative text."""
    return {
        "type": "image",
        "slack_file": {"id": file_id},
        "alt_text": alt_text(spec),
        "title": {"type": "plain_text", "text": cut(_title(spec), 1900)},
    }


def alt_text(spec: dict[str, Any]) -> str:
    """What a figure shows, for who cannot see it."""
    return cut(f"{_title(spec)}. {spec.get('description', '')}".strip(), ALT)


def _title(spec: dict[str, Any]) -> str:
    title = spec.get("title", "")
    return str(title.get("text", "") if isinstance(title, dict) else title) or "Figure"


def answer_blocks(answer: Answer, plan_id: str, *, figures: Sequence[Block] = (), link: str = "", asked_by: str = "") -> list[Block]:
    """A whole answer as one message: headline, table, figures, why, what to watch, what was assumed, buttons."""
    sections = {item.key: item for item in answer.sections}
    blocks = [section(f"*{mrkdwn(answer.headline)}*")]
    if asked_by:
        blocks.append(context(f"<@{asked_by}> asked: {mrkdwn(cut(answer.question, 400))}"))
    if conflicts := sections.get("conflicts"):
        blocks.append(section(":warning: *What does not fit together*\n" + bullets([mrkdwn(line) for line in conflicts.lines])))
    main = main_table(answer)
    if main is not None:
        block, shown = table(main.grid.header, main.grid.rows) if main.grid else ({}, 0)
        left = len(main.grid.rows) - shown if main.grid else 0
        blocks += [block, *([context(f"{left} more values: Explain shows them all.")] if left else [])]
    blocks += figures
    blocks += [*_why(sections), *_others(answer), *_watch(sections), *_assumed(sections)]
    return [*blocks, *_sources(answer), buttons(answer, plan_id, link)]


def main_table(answer: Answer) -> Section | None:
    """The one table a message may hold: the summary, else the first that is not folded away."""
    grids = [item for item in answer.sections if item.grid and item.grid.rows]
    return (
        next((item for item in grids if item.key == "summary"), None)
        or next((item for item in grids if not item.detail), None)
        or next(iter(grids), None)
    )


def _why(sections: dict[str, Section]) -> list[Block]:
    reasons = sections.get("reasons")
    return [section("*Why*\n" + bullets([mrkdwn(line) for line in reasons.lines[:6]]))] if reasons and reasons.lines else []


def _others(answer: Answer) -> list[Block]:
    """What other laws say, as lines: a message holds one table, and how far laws disagree must not be lost."""
    found = next((item for item in answer.sections if item.key.endswith(".alternatives") and item.grid and item.grid.rows), None)
    if found is None or found.grid is None:
        return []
    lines = [f"*{mrkdwn(row[0])}*: " + mrkdwn("; ".join(cell for cell in row[1:] if cell.strip())) for row in found.grid.rows[:_OTHERS]]
    more = len(found.grid.rows) - len(lines)
    return [section(f"*{mrkdwn(found.title)}*\n" + bullets(lines) + (f"\n… and {more} more" if more else ""))]


def _watch(sections: dict[str, Section]) -> list[Block]:
    notices = sections.get("notices")
    if not notices or not notices.lines:
        return []
    more = len(notices.lines) - _WARNINGS
    lines = [mrkdwn(line) for line in notices.lines[:_WARNINGS]]
    return [section("*What to watch*\n" + bullets(lines) + (f"\n… and {more} more" if more > 0 else ""))]


def _assumed(sections: dict[str, Section]) -> list[Block]:
    assumed = sections.get("assumptions")
    if not assumed or not assumed.lines:
        return []
    shown = "; ".join(mrkdwn(cut(line.split(": ")[0], 120)) for line in assumed.lines[:_ASSUMED])
    more = len(assumed.lines) - _ASSUMED
    return [context(f"*Assumed:* {shown}" + (f"; and {more} more" if more > 0 else ""))]


def _sources(answer: Answer) -> list[Block]:
    versions = answer.versions.get("law_base", "")
    laws = list(
        dict.fromkeys(value.law for result in asked_results(answer.brief, answer.results) for value in result.values.values() if value.law)
    )
    cites = {item.law: item.cite for item in answer.sources}
    told = "; ".join(mrkdwn(f"{law} ({cites[law]})" if law in cites else law) for law in laws[:4])
    return [context(f"*Laws:* {told}" + (f" · law base {mrkdwn(versions)}" if versions else ""))] if told else []


def buttons(answer: Answer, plan_id: str, link: str = "") -> Block:
    """The row of buttons under an answer; what would do nothing is left out."""
    row: list[Block] = []
    if answer.needs:
        row.append(button("Fill in what is missing", "needs", plan_id, style="primary"))
    if answer.results:
        if other_laws(answer):
            row.append(button("Other law", "other_law", plan_id))
        row += [button("What if…", "what_if", plan_id), button("Explain", "explain", plan_id)]
    if link:
        row.append({**button("Open in browser", "open", plan_id), "url": link})
    row.append(button("Share", "share", plan_id))
    return {"type": "actions", "block_id": f"plan:{plan_id}", "elements": row}


def other_laws(answer: Answer) -> list[str]:
    """Laws that answer the same question and can be chosen instead."""
    used = {value.law for result in asked_results(answer.brief, answer.results) for value in result.values.values()}
    named = [
        value.law
        for result in asked_results(answer.brief, answer.results)
        for other in result.alternatives
        for value in other.values.values()
    ]
    return [law for law in dict.fromkeys(named) if law and law not in used]


def explain_blocks(answer: Answer) -> list[Block]:
    """Every value with its interval, law, formula, inputs and source, the asked-for results first; as much as a message holds."""
    asked = asked_results(answer.brief, answer.results)
    blocks = [section(f"*How this comes about*: {mrkdwn(cut(answer.headline, 600))}")]
    for result in [*asked, *(item for item in answer.results if item not in asked)]:
        if len(blocks) >= 44:
            blocks.append(context("The rest is in the plan itself."))
            break
        blocks += _explained(result)
    return blocks


def _explained(result: Result) -> list[Block]:
    title = result.tool.replace("_", " ").capitalize()
    parts = [
        _value_lines(key, result.values[key]) for key in [*result.headline, *(key for key in result.values if key not in result.headline)]
    ]
    return [section(f"*{mrkdwn(title)}*\n{text}") for text in _packed(parts)[:4]]


def _packed(parts: list[str]) -> list[str]:
    """Paragraphs joined into as few texts as their size allows."""
    texts: list[str] = []
    for part in parts:
        part = cut(part, 2400)
        if texts and len(texts[-1]) + len(part) < 2500:
            texts[-1] += "\n" + part
        else:
            texts.append(part)
    return texts


def _value_lines(key: str, value: Value) -> str:
    head = f"• *{mrkdwn(value.label or key.replace('_', ' '))}*: {mrkdwn(cut(quantity(value.value, value.unit), 200))}"
    if value.low is not None and value.high is not None:
        head += f" ({mrkdwn(quantity(value.low, value.unit))} to {mrkdwn(quantity(value.high, value.unit))})"
    facts = [
        mrkdwn(value.law),
        code(cut(value.formula, 300)),
        mrkdwn(cut(value.source, 200)),
        mrkdwn("outside the fitted range: " + "; ".join(value.outside)) if value.outside else "",
    ]
    told = " · ".join(fact for fact in facts if fact)
    return f"{head}\n    {told}" if told else head


def fit_blocks(name: str, fits: Sequence[dict[str, Any]], figures: Sequence[Block] = ()) -> tuple[str, list[Block]]:
    """The report of fits to an uploaded table: verdict, coefficients, notes. Returns the plain text for notifications too."""
    first = fits[0]
    text = f"{first['form']} fitted to {name}: {first['report'].get('verdict', '')}" if len(fits) == 1 else f"{len(fits)} fits to {name}"
    blocks = [section(f"*{mrkdwn(cut(text, 600))}*")]
    rows = [
        [_group(fit), key, f"{value:.6g}", *_spread(fit["report"], key)]
        for fit in fits
        for key, value in (fit["report"].get("params") or {}).items()
    ]
    if rows:
        blocks.append(table(["group", "coefficient", "value", "standard error", "90% interval"], rows)[0])
        more = len(rows) - TABLE_ROWS
        if more > 0:
            blocks.append(context(f"{more} more coefficients in the stored fits."))
    blocks += figures
    notes = [note for fit in fits for note in fit["report"].get("problems", []) or []]
    if len(fits) > 1:
        blocks.append(section("*Verdicts*\n" + bullets([mrkdwn(f"{_group(fit)}: {fit['report'].get('verdict', '')}") for fit in fits])))
    if notes:
        blocks.append(section("*About the table*\n" + bullets([mrkdwn(str(note)) for note in dict.fromkeys(map(str, notes))])))
    laws = [fit["id"] for fit in fits if fit["has_law"]]
    blocks.append(
        context(
            "The fitted law is used for the questions that follow in this thread."
            if len(laws) == 1
            else f"Stored as {mrkdwn(', '.join(laws[:6]))}."
            if laws
            else "These runs determine no law; the verdict says why."
        )
    )
    return text, blocks


def _group(fit: dict[str, Any]) -> str:
    group = fit["report"].get("group") or {}
    return ", ".join(f"{key}={value}" for key, value in group.items()) if isinstance(group, dict) else str(group)


def _spread(report: dict[str, Any], key: str) -> list[str]:
    error, interval = (report.get("se") or {}).get(key), (report.get("interval90") or {}).get(key)
    return [f"{error:.3g}" if isinstance(error, int | float) else "", f"{interval[0]:.5g} to {interval[1]:.5g}" if interval else ""]


def notice_blocks(text: str) -> list[Block]:
    """One plain sentence, escaped."""
    return [section(mrkdwn(text))]
