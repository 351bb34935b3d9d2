"""Writes what is generated from the cards, the index page and the compiled advice: `python -m knowledge.index`."""

from __future__ import annotations

from collections import defaultdict
from importlib.resources import files
from pathlib import Path

from knowledge.advice import FILE, compile_advice
from knowledge.library import LawBook
from knowledge.papers import Paper, papers
from knowledge.schema import LawCard

_HEAD = """# The law base

Generated from the cards by `python -m knowledge.index`; a test checks that it is current. One line per paper of the mission:
what it answers, and by which card (`flopwise law show ID`). *numeric*: published coefficients. *rule*: a relation without fitted
coefficients. *form*: a form to fit or to feed with your own coefficients. *finding*: advice raised when its conditions hold.
"""


def render(laws: LawBook | None = None) -> str:
    """The whole page as Markdown."""
    cards = {card.id: card for card in laws or LawBook()}
    by_area: dict[str, list[str]] = defaultdict(list)
    told: set[str] = set()
    for paper in papers():
        present = [cards[law] for law in paper.laws if law in cards]
        if present:
            told |= {card.id for card in present}
            by_area[present[0].area].append(_line(paper.title, present))
    for card in cards.values():
        if card.id not in told:
            by_area[card.area].append(_line(card.title, [card]) + " (beyond the mission's list)")
    sections = [f"## {area} ({len(lines)})\n\n" + "\n".join(sorted(lines, key=str.lower)) for area, lines in sorted(by_area.items())]
    outside = [paper for paper in papers() if not paper.laws]
    sections.append(f"## out of scope ({len(outside)})\n\n" + "\n".join(_reason(paper) for paper in outside))
    return "\n\n".join([_HEAD + _counts(cards), *sections]) + "\n"


def _counts(cards: dict[str, LawCard]) -> str:
    kinds: dict[str, int] = defaultdict(int)
    for card in cards.values():
        kinds[card.kind] += 1
    return f"\n{len(cards)} cards: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}."


def _line(title: str, cards: list[LawCard]) -> str:
    ids = ", ".join(f"`{card.id}`" for card in cards)
    kinds = " and ".join(dict.fromkeys(card.kind for card in cards))
    return f"- {title}: {ids}, {kinds}. {' '.join(card.summary for card in cards)}"


def _reason(paper: Paper) -> str:
    return f"- {paper.title}: no card, {paper.reason}."


def path() -> Path:
    """Where the page lies."""
    return Path(str(files("knowledge"))) / "README.md"


if __name__ == "__main__":
    path().write_text(render(), encoding="utf8")
    path().with_name(FILE).write_text(compile_advice(), encoding="utf8")
