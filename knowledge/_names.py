"""Finds a catalogue entry by any spelling of its name, and suggests the nearest ones when there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from knowledge.errors import InputError

_COUNT = re.compile(r"^\d+\s*[x×*]\s*")  # "8xH100", "4 x A100"
_NOISE = re.compile(r"\b(nvidia|amd|google|intel|aws|instinct|gpus?|cards?|chips?)\b")


def squash(name: str) -> str:
    """A name without case, spaces, punctuation, a leading count or the maker's name: "8xH100 SXM5" -> "h100sxm5"."""
    plain = _NOISE.sub(" ", _COUNT.sub("", name.lower().strip()))
    return re.sub(r"[^a-z0-9.]+", "", plain) or re.sub(r"[^a-z0-9.]+", "", name.lower())


def shuffled(name: str) -> str:
    """A name's words in alphabetical order, so that "A100 80GB SXM" and "A100 SXM 80GB" are one spelling."""
    return "".join(sorted(re.findall(r"[a-z0-9.]+", _NOISE.sub(" ", _COUNT.sub("", name.lower().strip())))))


def index(names: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Spelling -> id, for ids with their other names; an id always wins over another entry's alias."""
    found: dict[str, str] = {}
    for entry, aliases in names.items():
        for alias in aliases:
            found.setdefault(shuffled(alias), entry)
            found.setdefault(squash(alias), entry)
    return found | {squash(entry): entry for entry in names}


def resolve(spelling: str, spellings: Mapping[str, str], field: str, what: str, remedy: str) -> str:
    """The id a spelling stands for; raises InputError naming the nearest ids."""
    key = squash(spelling[:200])
    for form in (key, key.removesuffix("s"), shuffled(spelling[:200])):
        if form in spellings:
            return spellings[form]
    near = list(dict.fromkeys(spellings[match] for match in difflib.get_close_matches(key, spellings, 6, 0.5)))[:3]
    raise InputError(field, f"no {what} is known as {spelling[:60]!r}", f"nearest: {', '.join(near)}" if near else remedy)
