"""An answer in the terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.answer import Answer, Grid, Section


def print_answer(answer: Answer, *, explain: bool = False, console: Console | None = None) -> None:
    """Print headline, sections and sources; `explain` adds every number's formula, inputs and source."""
    out = console or Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    out.print()
    out.print(Padding(Text(answer.headline, style="bold"), (0, 1)))
    if answer.needs:
        out.print()
        for need in answer.needs:
            out.print(Padding(Text(f"{need.field.replace('_', ' ')}" + (f", for example {need.example}" if need.example else "")), (0, 3)))
    sections = [section for section in answer.sections if explain or not section.detail]
    if explain:
        from agent.wording import explain_sections

        sections = [*sections[:-1], *explain_sections(answer.results), *sections[-1:]]
    for section in sections:
        _print_section(out, section)
    if answer.model_cost:
        cost = answer.model_cost
        told = f"understood by {answer.understood_by}, worded by {answer.worded_by}; "
        told += f"{cost.calls} calls of the model, {cost.tokens_read:,} tokens read, {cost.tokens_written:,} written"
        out.print()
        out.print(Padding(Text(told, style="dim"), (0, 1)))
    out.print()


def _print_section(out: Console, section: Section) -> None:
    style = "bold red" if section.key == "conflicts" else "bold cyan"
    out.print()
    out.print(Padding(Text(section.title, style=style), (0, 1)))
    if section.grid:
        out.print(Padding(_table(section.grid), (0, 1)))
    for line in section.lines:
        out.print(Padding(Text(line), (0, 3)))


def _table(grid: Grid) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=True, header_style="dim")
    for title in grid.header:
        table.add_column(title, style="dim" if title in ("from", "note") else None, justify="left", overflow="fold")
    for row in grid.rows:
        table.add_row(*[Text(cell) for cell in row])
    return table
