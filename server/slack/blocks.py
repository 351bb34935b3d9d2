"""Answers as Block Kit. Everything that comes from outside is escaped; everything is cut to what Slack takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.answer import Answer, Section
from agent.compose import asked_results
from server.slack import limits
from server.slack.text import bullets, cut, mrkdwn

Block = dict[str, Any]

ROWS, COLUMNS, TABLE_TEXT, CELL = 14, 12, 6000, 160  # what is still read in a thread, well below what Slack takes
_PHRASE = 90  # a value longer than this is a sentence: no cell for it
_WARNINGS, _ASSUMED, _OTHERS = 4, 4, 5


def section(text: str) -> Block:
    """A paragraph of mrkdwn that is already escaped."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, limits.SECTION)}}


def context(text: str) -> Block:
    """Small print of mrkdwn that is already escaped."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, limits.SECTION)}]}


def button(label: str, action: str, value: str, **more: Any) -> Block:
    """A button of plain text."""
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": cut(label, limits.BUTTON)},
        "action_id": action,
        "value": value,
        **more,
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Block, int]:
    """A table block and how many rows it shows; columns that are empty in every row are left out."""
    used = [i for i in range(len(header)) if i == 0 or any(row[i].strip() for row in rows)][:COLUMNS]
    lines = [[header[i].strip() or "quantity" for i in used]]
    budget = TABLE_TEXT - sum(map(len, lines[0]))
    for row in rows[:ROWS]:
        cells = [cut(row[i].strip().rstrip(":"), CELL) or "–" for i in used]
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
        "title": {"type": "plain_text", "text": cut(_title(spec), limits.IMAGE_TITLE)},
    }


def alt_text(spec: dict[str, Any]) -> str:
    """What a figure shows, for who cannot see it: title, description, how far the axes reach and what is marked."""
    axes = next((layer["encoding"] for layer in [spec, *spec.get("layer", [])] if {"x", "y"} <= set(layer.get("encoding", {}))), {})
    rows: list[dict[str, Any]] = spec.get("data", {}).get("values") or []
    told: list[str] = []
    for name, title in [(axes[side]["field"], axes[side].get("title")) for side in ("x", "y") if side in axes]:
        numbers = [row[name] for row in rows if isinstance(row.get(name), int | float)]
        marked = next((f", {row[name]:.3g} at the mark" for row in rows if row.get("best") is True), "")
        told += [f"{title or name} from {min(numbers):.3g} to {max(numbers):.3g}{marked}"] if numbers else []
    described = " ".join([f"{_title(spec)}.", spec.get("description", ""), f"{'; '.join(told)}." if told else ""])
    return cut(" ".join(described.split()), limits.ALT)


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
    blocks += [*_numbers(answer), *figures, *_why(sections), *_others(answer), *_watch(sections), *_assumed(sections)]
    return [*blocks, *_sources(answer), *buttons(answer, plan_id, link)]


def _numbers(answer: Answer) -> list[Block]:
    """The one table a message may hold: the summary, else the first that is not folded away. Sentences stand below it."""
    grids = [item for item in answer.sections if item.grid and item.grid.rows]
    summary = (item for item in grids if item.key == "summary")
    main = next(summary, None) or next((item for item in grids if not item.detail), None) or next(iter(grids), None)
    if main is None or main.grid is None:
        return []
    told = _distinct(main.grid.rows)
    rows = [row for row in told if len(row) < 2 or len(row[1]) <= _PHRASE]
    blocks: list[Block] = []
    if rows:
        block, shown = table(main.grid.header, rows)
        left = len(rows) - shown
        blocks = [block, *([context(f"{left} more values: Explain shows them all.")] if left else [])]
    sentences = [f"*{mrkdwn(row[0])}*: {mrkdwn(row[1])}" for row in told if row not in rows and row[1].rstrip(".") not in answer.headline]
    return [*blocks, *([section(bullets(sentences))] if sentences else [])]


def _distinct(rows: Sequence[list[str]]) -> list[list[str]]:
    """Rows without those that repeat a quantity and its value from another tool."""
    return list({(row[0], *row[1:2]): row for row in reversed(rows)}.values())[::-1]


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


def buttons(answer: Answer, plan_id: str, link: str = "") -> list[Block]:
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
    return [{"type": "actions", "block_id": f"plan:{plan_id}", "elements": row}] if row else []


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


def notice_blocks(text: str) -> list[Block]:
    """One plain sentence, escaped."""
    return [section(mrkdwn(text))]
