"""Typing errors in words of the field: the nearest known word, when a word is none itself."""

from __future__ import annotations

import functools
import re

from agent.understand._lexicon import LANGUAGES, read, unit_words

_SHORTHAND = {"u": "you", "ur": "your", "w/": "with", "w/o": "without", "pls": "please", "plz": "please", "thx": "thanks"}
_SHORT = re.compile(r"(?<![\w'.=-])(?:w/o|w/|ur?|pls|plz|thx)(?![\w'.=-])")
_WORD = re.compile(r"(?<![\w'.-])[a-z]{3,}(?![\w'@-])")


def distance(one: str, two: str, limit: int) -> int:
    """Optimal string alignment distance (insertions, deletions, substitutions, neighbours swapped), or limit + 1 when above it."""
    if abs(len(one) - len(two)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(two, 1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        if min(now) > limit:
            return limit + 1
        before, row = row, now
    return row[-1]


@functools.cache
def _known() -> tuple[frozenset[str], dict[str, list[str]], dict[str, str]]:
    """(words that are right as they are, domain words by first letter, ready-made corrections)."""
    data = read("typos")
    right = set(data["guard"]) | set(data["targets"])
    for name in LANGUAGES:
        lexicon = read(name)
        right |= {word for phrases in lexicon["cues"].values() for phrase in phrases for word in str(phrase).lower().split()}
        right |= {str(word).lower() for section in ("numbers", "scales") for word in lexicon[section]} | set(lexicon["stopwords"])
    right |= {spelling for spelling, _ in unit_words("en")}
    by_letter: dict[str, list[str]] = {}
    for word in data["targets"]:
        by_letter.setdefault(word[0], []).append(word)
    return frozenset(right), by_letter, dict(data["misspelled"])


@functools.lru_cache(maxsize=4096)
def correct(word: str) -> str:
    """The word of the field that was meant, or the word itself."""
    right, by_letter, ready = _known()
    if word in ready:
        return ready[word]
    if word in right or len(word) < 4:
        return word
    limit = 2 if len(word) >= 8 else 1
    # The first letter is seldom wrong, but it may be swapped with the second.
    near = [(distance(word, target, limit), target) for letter in dict.fromkeys(word[:2]) for target in by_letter.get(letter, ())]
    near = [(far, target) for far, target in near if far <= limit and (len(word) >= 5 or sorted(word) == sorted(target))]
    return min(near)[1] if near else word


def correct_text(text: str) -> str:
    """Folded text with the typing errors in its field words put right (offsets may move)."""
    return _WORD.sub(lambda match: correct(match[0]), _SHORT.sub(lambda match: _SHORTHAND[match[0]], text))
