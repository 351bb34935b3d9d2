"""The papers of the mission: each title leads to the cards that answer for it, or to the reason why none does."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.resources import files

from knowledge.library import parse_yaml


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
