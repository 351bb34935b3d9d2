"""The words around the numbers in the question's language: phrases by language, fixed texts in one catalogue; English where they say nothing."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Any

from agent.answer import Grid, Section
from knowledge.library import parse_yaml

LANGUAGES = ("de", "fr", "es", "zh", "ja")
_PLACE = re.compile(r"{(\w+)}")
_SHORT = 10  # characters of a pattern that are its own: below them what a place stands for must be short, or anything would fit
_LONGEST = 1000  # characters of a text that is looked up
_DEPTH = 4  # texts within texts that are looked up


@functools.cache
def words(language: str | None) -> dict[str, Any]:
    """The phrases of a language; empty for English and for languages there is no file of."""
    if language not in LANGUAGES:
        return {}
    return parse_yaml((files("agent") / "templates" / f"{language}.yaml").read_text(encoding="utf8"))


def headlines(language: str | None, tool: str) -> list[str]:
    """Headline templates of a tool in a language, the first fitting one counts."""
    return words(language).get("headlines", {}).get(tool, [])


def phrase(language: str | None, name: str, english: str, **values: str) -> str:
    """A phrase with its placeholders filled."""
    return words(language).get("phrases", {}).get(name, english).format(**values)


@functools.cache
def _catalogue() -> dict[str, dict[str, list[str]]]:
    return parse_yaml((files("agent") / "templates" / "texts.yaml").read_text(encoding="utf8"))


@functools.cache
def _texts(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """(texts by their English, patterns of texts that hold others, the most specific first)."""
    place = LANGUAGES.index(language)
    said = {english: ways[place] for english, ways in _catalogue()["words"].items()}
    holding = sorted((text for text in said if _PLACE.search(text)), key=lambda text: -len(_PLACE.sub("", text)))
    return said, [(_pattern(text), said[text]) for text in holding]


def _pattern(text: str) -> re.Pattern[str]:
    short = len(_PLACE.sub("", text)) < _SHORT

    def place(match: re.Match[str]) -> str:
        # A place named by one letter holds one amount or name; the others hold whatever stands there.
        return f"(?P<{match[1]}>{'[^;.,:]{1,40}' if short else '[^;]+?' if len(match[1]) == 1 else '.+?'})"

    return re.compile(_PLACE.sub(place, re.sub(r"([.()|?*+^$\[\]])", r"\\\1", text)), re.DOTALL)


@functools.lru_cache(maxsize=4096)
def said(text: str, language: str | None, depth: int = 0) -> str:
    """A fixed text in a language: as it stands in the catalogue, or by its parts; English where neither is known."""
    if language not in LANGUAGES or depth > _DEPTH or not text.strip() or len(text) > _LONGEST:
        return text
    known, patterns = _texts(language)
    if text in known:
        return known[text]
    for pattern, way in patterns:
        if match := pattern.fullmatch(text):
            return way.format(**{name: said(part, language, depth + 1) for name, part in match.groupdict().items()})
    return _by_parts(text, language, depth + 1)


def _by_parts(text: str, language: str, depth: int) -> str:
    if len(parts := re.split(r"(?<=[.!?]) +(?=[A-Z])", text)) > 1:
        return " ".join(said(part, language, depth) for part in parts)
    if whole := _split(text, "; ", language, depth):
        return whole
    head, sign, rest = text.partition(": ")
    label = said(head[:1].lower() + head[1:], language, depth)
    if sign and label.lower() != head.lower():  # a label with its value
        return f"{label[:1].upper()}{label[1:]}: {said(rest, language, depth)}"
    if whole := _split(text, ", ", language, depth):
        return whole
    if text.endswith(".") and (whole := said(text[:-1], language, depth)) != text[:-1]:
        return whole + ("。" if language in ("zh", "ja") else ".")
    if match := re.fullmatch(r"(.+?) (\(.+\)|\[.+\])", text):  # a label with its case, a notice with its source
        return f"{said(match[1], language, depth)} {match[2][0]}{case(match[2][1:-1], language)}{match[2][-1]}"
    return text


def _split(text: str, sign: str, language: str, depth: int) -> str:
    parts = text.split(sign)
    whole = [said(part, language, depth) for part in parts] if len(parts) > 1 else parts
    return sign.join(whole) if whole != parts else ""


def case(text: str, language: str | None) -> str:
    """Compared values ("n accelerators 64, accelerator b200") with their fields named in a language."""
    if language not in LANGUAGES:
        return text
    parts = [part.rpartition(" ") for part in text.split(", ")]
    return ", ".join(f"{said(name, language)} {value}" if name else value for name, _, value in parts)


@functools.cache
def _units(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    place = LANGUAGES.index(language)
    names = {english: ways[place] for english, ways in _catalogue()["units"].items()}
    longest = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<=[0-9KMBTQ]) ({'|'.join(map(re.escape, longest))})(?![\w/-])"), names


def with_units(text: str, language: str | None) -> str:
    """A rendered value or a headline with its units' names in a language."""
    if language not in LANGUAGES:
        return text
    pattern, names = _units(language)
    return pattern.sub(lambda match: f" {names[match[1]]}", text)


def translated(section: Section, language: str | None) -> Section:
    """A section in a language: its title, its heads, the fixed texts of its cells and lines."""
    if language not in LANGUAGES:
        return section
    lines = [_line(line, section.key, language) for line in section.lines] if section.key != "sources" else section.lines
    return section.model_copy(
        update={"title": _title(section, language), "grid": section.grid and _grid(section.grid, language), "lines": lines}
    )


def _title(section: Section, language: str) -> str:
    titles = words(language)["sections"]
    kind = section.key.partition(".")[2]
    for key, ending in (("full", " in full"), ("explained", ", number by number")):
        if section.title.endswith(ending):
            return titles[key].format(tool=said(section.title.removesuffix(ending), language))
    return titles.get(section.key) or titles.get(kind) or said(section.title, language)


def _grid(grid: Grid, language: str) -> Grid:
    return Grid(
        header=[_head(text, language) for text in grid.header],
        rows=[[with_units(said(row[0], language), language), *(cell(text, language) for text in row[1:])] for row in grid.rows],
    )


def cell(text: str, language: str | None) -> str:
    """A rendered value, an interval or a fixed text in a language."""
    if language not in LANGUAGES:
        return text
    if not re.match(r"[-$\d]", text) or (", " in text and said(text, language) != text):
        return said(text, language)
    to = _units(language)[1]["to"]
    return with_units(text, language).replace(" to ", f" {to} ")


def _head(text: str, language: str) -> str:
    interval = words(language)["header"]["interval"]
    return text.replace("interval", interval) if text in ("interval", "90% interval") else said(text, language)


def mark(name: str, language: str) -> str:
    """What marks a notice of a level ("Warning") in a language."""
    return _catalogue()["marks"][name][LANGUAGES.index(language)]


def titled(spec: Any, language: str | None) -> Any:
    """A figure's spec with its titles in a language; its data stays as it is."""
    if language not in LANGUAGES:
        return spec
    if isinstance(spec, list):
        return [titled(item, language) for item in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: item
        if key == "data"
        else with_units(said(item, language), language)
        if key in ("title", "description") and isinstance(item, str)
        else titled(item, language)
        for key, item in spec.items()
    }


def _line(text: str, section: str, language: str) -> str:
    """A line, its mark, its assumed value and its source each by itself."""
    if section == "assumptions":
        name, sign, rest = text.partition(" = ")
        value, colon, source = rest.rpartition(": ") if " = " in rest else rest.partition(": ")
        return f"{said(name, language)}{sign}{with_units(value, language)}{colon}{said(source, language)}"
    level, sign, rest = text.partition(": ")
    if sign and level in _catalogue()["marks"]:
        return f"{mark(level, language)}: {_line(rest, section, language)}"
    found = said(text, language)
    return with_units(found, language) if found != text else text
