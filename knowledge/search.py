"""Finding laws by words: BM25 over cards and over the papers that have none."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from knowledge.library import LawBook, base_version
from knowledge.papers import find_paper, papers
from knowledge.schema import LawCard

# How often the words of a field count: what a card answers says more about it than its caveats.
_WEIGHTS = {
    "id": 3,
    "title": 3,
    "answers": 3,
    "summary": 2,
    "area": 1,
    "authors": 2,
    "relations": 1,
    "formulas": 1,
    "advice": 1,
    "setting": 1,
}


@dataclass(frozen=True)
class Hit:
    """A law, or a paper without one (`law` is empty and `reason` says why)."""

    law: str
    title: str
    area: str
    kind: str
    summary: str
    score: float
    reason: str = ""


def search(words: str, limit: int = 10, formulas: Mapping[str, str] | None = None, laws: LawBook | None = None) -> list[Hit]:
    """Laws and papers by words, best first. `formulas` holds further text by law id (the base itself knows no formula text).

    A title of the mission's list always comes first. Nothing at all in common gives an empty list.
    """
    index = _index(base_version(), tuple(sorted((formulas or {}).items())), laws)
    tokens = tokenize(words)
    found = index.retrieve(tokens, limit) if tokens else []
    paper = find_paper(words)
    if paper is None:
        return found
    exact = [hit for hit in index.hits if (hit.law in paper.laws if paper.laws else hit.title == paper.title)]
    return [*exact, *(hit for hit in found if hit not in exact and (hit.law, hit.title) not in {(e.law, e.title) for e in exact})][:limit]


def tokenize(text: str) -> list[str]:
    """Lower-case words and numbers; a plural s is dropped, so that "token" finds "tokens"."""
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in re.findall(r"[a-z0-9]+", text.lower())
    ]


class _Index:
    def __init__(self, hits: list[Hit], documents: list[list[str]]) -> None:
        import bm25s  # only a search pays for it

        self.hits = hits
        self._known = {token for document in documents for token in document}
        self._ranker: Any = bm25s.BM25()
        self._ranker.index(documents, show_progress=False)

    def retrieve(self, tokens: list[str], limit: int) -> list[Hit]:
        known = [token for token in tokens if token in self._known]
        if not known:
            return []
        scores = [float(score) for score in self._ranker.get_scores(known)]
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], self.hits[i].law, self.hits[i].title))
        return [replace(self.hits[i], score=scores[i]) for i in order[:limit] if scores[i] > 0]


@functools.lru_cache(maxsize=4)
def _index(version: str, formulas: tuple[tuple[str, str], ...], laws: LawBook | None) -> _Index:
    texts = dict(formulas)
    hits: list[Hit] = []
    documents: list[list[str]] = []
    for card in laws or LawBook():
        hits.append(Hit(card.id, card.title, card.area, card.kind, card.summary, 0.0))
        documents.append(_words(card, texts.get(card.id, "")))
    for paper in papers():
        if not paper.laws:
            hits.append(Hit("", paper.title, "out of scope", "", "", 0.0, paper.reason))
            documents.append(tokenize(paper.title) * _WEIGHTS["title"] + tokenize(paper.reason))
    return _Index(hits, documents)


def _words(card: LawCard, formulas: str) -> list[str]:
    fields = {
        "id": card.id.replace("_", " "),
        "title": " ".join(dict.fromkeys([card.title, *card.titles])),
        "answers": " ".join(card.answers),
        "summary": card.summary,
        "area": card.area,
        "authors": card.authors,
        "relations": " ".join(f"{name} {rel.title}" for name, rel in card.relations.items()),
        "formulas": formulas,
        "advice": " ".join(advice.say for advice in card.advice),
        "setting": card.setting,
    }
    return [word for name, text in fields.items() for word in tokenize(text) * _WEIGHTS[name]]
