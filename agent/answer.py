"""The answer: what was understood, every result, and the words around them; one object for every face."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.brief import Brief
from tools.result import Assumption, Notice, Result


class Reference(BaseModel):
    """A source an answer rests on."""

    law: str
    title: str
    cite: str


class Need(BaseModel):
    """A field without which nothing useful can be computed, as a form entry."""

    field: str
    unit: str
    example: str


class Grid(BaseModel):
    """A table of rendered text."""

    header: list[str]
    rows: list[list[str]]


class Section(BaseModel):
    """One titled part of an answer: sentences, a table, or both. Faces draw it in their own way."""

    key: str
    title: str
    lines: list[str] = []
    grid: Grid | None = None
    detail: bool = False  # faces may fold it away


class ModelCost(BaseModel):
    """What a language model was used for one answer, as its server counts."""

    calls: int
    tokens_read: int
    tokens_written: int


class Answer(BaseModel):
    """Everything said about one question. Every number in headline and sections is a rendered result field or the question's own."""

    model_config = ConfigDict(extra="forbid")

    question: str
    brief: Brief
    headline: str
    sections: list[Section]
    results: list[Result]
    assumptions: list[Assumption] = []
    notices: list[Notice] = []
    advice: list[Notice] = []
    needs: list[Need] = []
    needs_any_of: list[list[str]] = []
    sources: list[Reference] = []
    understood_by: str = "built-in"
    worded_by: str = "built-in"
    model_cost: ModelCost | None = None
    versions: dict[str, str] = {}
    figures: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        """The whole answer as Markdown."""
        return "\n\n".join([f"**{self.headline}**", *(section_markdown(section) for section in self.sections)])


def section_markdown(section: Section) -> str:
    """One section as Markdown."""
    parts = [f"### {section.title}"]
    if section.grid:
        rows = [section.grid.header, ["---"] * len(section.grid.header), *section.grid.rows]
        parts.append("\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows))
    if section.lines:
        parts.append("\n".join(f"- {line}" for line in section.lines))
    return "\n\n".join(parts)
