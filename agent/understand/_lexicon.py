"""The lexicons: words as data (one YAML file a language), indexed for longest match over atoms."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import yaml

from agent.understand._text import Atom, atoms, fold

LANGUAGES = ("en", "de", "fr", "es", "zh", "ja")
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@functools.cache
def read(name: str) -> dict[str, Any]:
    """One lexicon file as plain data."""
    text = (files("agent.understand") / "lexicon" / f"{name}.yaml").read_text(encoding="utf8")
    return yaml.load(text, Loader=_Loader)


@functools.cache
def key(phrase: str) -> tuple[str, ...]:
    """A phrase as the atoms it will meet in text; hyphens are optional there, so they are dropped here."""
    return tuple(atom.text for atom in atoms(fold(str(phrase))) if atom.text != "-")


@dataclass
class Phrases:
    """Phrases over atoms with a payload each, found by their first atom."""

    index: dict[str, list[tuple[tuple[str, ...], Any]]] = field(default_factory=dict[str, list[tuple[tuple[str, ...], Any]]])

    def add(self, phrase: str, payload: Any) -> None:
        words = key(phrase)
        if words:
            entries = self.index.setdefault(words[0], [])
            at = next((i for i, entry in enumerate(entries) if len(entry[0]) < len(words)), len(entries))
            entries.insert(at, (words, payload))

    def all_at(self, text: list[Atom], place: int) -> Iterable[tuple[int, Any]]:
        """(place after the phrase, payload) of every phrase that starts here, longest first."""
        for words, payload in self.index.get(text[place].text, ()):
            end = _match(words, text, place)
            if end:
                yield end, payload


def _match(words: tuple[str, ...], text: list[Atom], place: int) -> int:
    at = place
    for number, word in enumerate(words):
        if number and at < len(text) and text[at].text == "-":
            at += 1
        if at >= len(text) or text[at].text != word:
            return 0
        at += 1
    return at


@dataclass
class Language:
    """All that is known of the words of one language, English added where the language says nothing else."""

    name: str
    terminals: Phrases
    cues: Phrases
    adjectives: frozenset[str]


def unit_words(language: str) -> Iterable[tuple[str, tuple[str, float]]]:
    """(spelling, (terminal, value)) of every unit a language writes."""
    data = read("units")
    for value, prefixes in data["prefixes"].items():
        for prefix in prefixes:
            for word in data["flop_words"]:
                if len(prefix) > 1 or word in ("flop", "flops"):
                    yield prefix + word, ("FLOP", float(value))
                if len(prefix) > 1:
                    yield f"{prefix} {word}", ("FLOP", float(value))
            if len(prefix) == 1:
                yield prefix + "f", ("FLOPX", float(value))
    for terminal, values in data["units"].items():
        for value, spellings in values.items():
            for spelling in spellings:
                only, colon, rest = str(spelling).partition(":")
                if colon and rest and only in LANGUAGES:
                    if only == language:
                        yield rest, (terminal, float(value))
                else:
                    yield str(spelling), (terminal, float(value))


def _number_words(data: dict[str, Any]) -> Iterable[tuple[str, tuple[str, float]]]:
    sections = {"numbers": "WNUM", "hundreds": "HUNDRED", "scales": "SCALE", "halves": "HALF", "and_half": "ANDHALF"}
    for section, terminal in sections.items():
        for word, value in data.get(section, {}).items():
            yield str(word), (terminal, float(value))
    for word in data.get("articles", []):
        yield str(word), ("ONE", 1.0)
    for word in data.get("vague", []):
        yield str(word), ("VAGUE", 0.0)


@functools.cache
def language(name: str) -> Language:
    """The words of a language, with English behind them (its own words win)."""
    merged: dict[tuple[str, ...], tuple[str, tuple[str, float]]] = {}
    generic = [(word, ("ACC", 0.0)) for word in read("accelerators")["generic"]]
    cues = Phrases()
    adjectives: set[str] = set()
    own = [read(name)] if name != "en" else []
    for data in [read("en"), *own]:
        # Short function words of English ("an", "a") are units or articles of no other language.
        words = [] if name != "en" and data["language"] == "en" else [*data.get("articles", [])]
        layer = {**data, "articles": words}
        for word, payload in [*unit_words(name), *generic, *_number_words(layer)] if data["language"] == "en" else _number_words(layer):
            merged[key(word)] = (word, payload)
        adjectives.update(str(word) for word in data.get("adjectives", []))
        for cue, phrases in data.get("cues", {}).items():
            for phrase in phrases:
                cues.add(str(phrase), cue)
    terminals = Phrases()
    for word, payload in merged.values():
        terminals.add(word, payload)
    return Language(name, terminals, cues, frozenset(adjectives))


@functools.cache
def _stopwords() -> dict[str, frozenset[str]]:
    return {name: frozenset(str(word) for word in read(name)["stopwords"]) for name in LANGUAGES}


def guess_language(text: list[Atom]) -> str:
    """The language with the most of its stopwords in the text; English when nothing speaks against it."""
    words = [atom.text for atom in text if atom.kind == "word"]
    score = {name: sum(word in stop for word in words) for name, stop in _stopwords().items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] > score["en"] else "en"
