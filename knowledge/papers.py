"""The papers of the mission: each title leads to the cards that answer for it, or to the reason why none does."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from importlib.resources import files

from knowledge.library import LawBook, parse_yaml, titles


@dataclass(frozen=True)
class Paper:
    """A title of the mission's list. `reason` says why a paper without `laws` has no card."""

    title: str
    laws: tuple[str, ...] = ()
    reason: str = ""


@functools.cache
def papers() -> tuple[Paper, ...]:
    """Every paper of the list, in order of title: those with cards, then those out of scope."""
    root = files("knowledge")
    inside = parse_yaml((root / "papers.yaml").read_text(encoding="utf8"))
    outside = parse_yaml((root / "out_of_scope.yaml").read_text(encoding="utf8"))
    return (
        *(Paper(entry["title"], tuple(entry["laws"])) for entry in inside),
        *(Paper(entry["title"], (), entry["reason"]) for entry in outside),
    )


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", title.lower()).strip()


@functools.cache
def _by_title() -> dict[str, Paper]:
    return {_plain(paper.title): paper for paper in papers()}


def find_paper(title: str) -> Paper | None:
    """The paper of a title, whatever its case and punctuation; also by the part before its colon where that is unambiguous."""
    asked = _plain(title)
    if asked in _by_title():
        return _by_title()[asked]
    starts = [paper for paper in papers() if asked and _plain(paper.title.split(":")[0]) == asked]
    return starts[0] if len(starts) == 1 else None


_CITED = re.compile(r"\b([a-z]{2,})(?: et al| and [a-z-]+| & [a-z-]+)?\b[., ('s]*\(?((?:19|20)\d\d)\b")
# Ordinary words that are also a surname or the head of a title: alone they name no paper.
_ORDINARY = frozenset({"brown", "day", "fan", "dash", "heart", "harmony", "kinetics", "merlin", "starbucks", "teddy"})
_TITLE_WORDS = 3  # a title of fewer words is no sign that a paper is meant


def laws_named(text: str, *, surnames: bool = False) -> tuple[str, ...]:
    """Cards a text names outright: by id, by a title, or as "Surname (et al.) year" and "Surname et al."; with `surnames` also by
    a surname or the head of a title alone, for a text known to speak of papers."""
    low = _ascii(text)
    ids = set(LawBook().ids())
    found = [word for word in re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)+|[a-z]+\d{4}", low) if word in ids]
    found += [law for title, laws in _titles().items() if _holds(low, title) for law in laws]
    found += [law for surname, year in _CITED.findall(low) for law in _by_author(surname, year)]
    if not found:
        found = [law for surname in re.findall(r"\b([a-z]{2,}) et al\b", low) for law in _by_author(surname)]
    if not found and surnames:
        words = f" {_plain(low)} "
        found = [law for head, laws in _heads().items() if f" {head} " in words for law in laws]
        found = found or [law for word in re.findall(r"[a-z]{3,}", low) if word not in _ORDINARY for law in _by_author(word)]
    return tuple(dict.fromkeys(found))


@functools.cache
def laws_for(task: str) -> frozenset[str]:
    """Cards that speak of a task, as the aliases list them."""
    areas = parse_yaml((files("knowledge") / "aliases.yaml").read_text(encoding="utf8"))["areas"]
    return frozenset(areas.get(task, ()))


def outside_named(text: str) -> tuple[Paper, ...]:
    """Papers without a card whose title a text holds."""
    low = _ascii(text)
    return tuple(paper for title, paper in _by_title().items() if not paper.laws and _holds(low, title))


@functools.cache
def _titles() -> dict[str, tuple[str, ...]]:
    """Plain titles -> cards: those of the mission's list and the cards' own, also without what stands in brackets behind them."""
    found = {title: paper.laws for title, paper in _by_title().items() if paper.laws}
    for law, title in titles().items():
        for spelling in (title, re.sub(r"\s*\([^)]*\)$", "", title)):
            found.setdefault(_plain(spelling), (law,))
    return found


@functools.cache
def _heads() -> dict[str, tuple[str, ...]]:
    """What stands before the colon of a title (ParetoQ, TTS-VAR), where it is short and one paper's."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for law, title in [*titles().items(), *((law, paper.title) for paper in papers() for law in paper.laws)]:
        head, colon, _ = title.partition(":")
        if colon and len(head) > 3 and head.lower() not in _ORDINARY and head.count(" ") < _TITLE_WORDS:
            found.setdefault(_plain(_ascii(head)), set()).add((law,))
    return {head: next(iter(laws)) for head, laws in found.items() if len(laws) == 1}


def _holds(text: str, title: str) -> bool:
    return title.count(" ") >= _TITLE_WORDS - 1 and f" {title} " in f" {_plain(text)} "


def _by_author(surname: str, year: str = "") -> list[str]:
    """Cards by the surname and year their ids begin with; the one named by these alone, where there is one."""
    own = [
        law for law in LawBook().ids() if (match := re.match(r"([a-z]+)(\d{4})", law)) and match[1] == surname and year in ("", match[2])
    ]
    return [f"{surname}{year}"] if f"{surname}{year}" in own else own


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
