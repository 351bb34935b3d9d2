"""The words around the numbers in the question's language: one file a language, English where it says nothing."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

from agent.answer import Section
from knowledge.library import parse_yaml

LANGUAGES = ("de", "fr", "es", "zh", "ja")


@functools.cache
def words(language: str | None) -> dict[str, Any]:
    """Everything a language says; empty for English and for languages there is no file of."""
    if language not in LANGUAGES:
        return {}
    return parse_yaml((files("agent") / "templates" / f"{language}.yaml").read_text(encoding="utf8"))


def headlines(language: str | None, tool: str) -> list[str]:
    """Headline templates of a tool in a language, the first fitting one counts."""
    return words(language).get("headlines", {}).get(tool, [])


def phrase(language: str | None, name: str, english: str, **values: str) -> str:
    """A phrase with its placeholders filled."""
    return words(language).get("phrases", {}).get(name, english).format(**values)


def translated(section: Section, language: str | None) -> Section:
    """A section with its title and column heads in a language; what tools say themselves stays as it is."""
    said = words(language)
    if not said:
        return section
    tool, _, kind = section.key.partition(".")
    key = (
        section.key
        if section.key in said["sections"]
        else kind
        if kind in said["sections"]
        else "full"
        if section.title.endswith(" in full")
        else ""
    )
    title = (
        said["sections"][key].format(tool=section.title.split(" in full")[0].split(",")[0] if key in ("full", "explained") else tool)
        if key
        else section.title
    )
    grid = section.grid
    if grid and (key in ("summary", "full", "alternatives")):
        grid = grid.model_copy(update={"header": [_head(text, said["header"]) for text in grid.header]})
    return section.model_copy(update={"title": title, "grid": grid})


def _head(text: str, heads: dict[str, str]) -> str:
    if text.endswith("interval"):
        return text.replace("interval", heads["interval"])
    return heads.get(text, text)
