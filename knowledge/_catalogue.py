"""A YAML file of named entries, read one entry at a time: found by any spelling, with the nearest ids when there is none.

A whole file takes 20 to 50 ms to parse and a question needs one or two entries, so the text is cut at its top-level keys
and only the entry asked for is parsed. `name` and `aliases` stand on one line each, as JSON strings.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from knowledge.errors import InputError
from knowledge.library import parse_yaml

_COUNT = re.compile(r"^\d+\s*[x×*]\s*")  # "8xH100", "4 x A100"
# Makers, units and the suffixes of checkpoints: none of them changes which part or which shape is meant.
_NOISE = re.compile(r"\b(nvidia|amd|google|intel|aws|meta|instinct|gpus?|cards?|chips?|models?|instruct|chat|hf|[bf]+p?16|fp8|fp4)\b")
_ENTRY = re.compile(r"^([a-z0-9][\w.+-]*):\n((?:[ ].*\n|\n)+)", re.MULTILINE)
_NAMES = re.compile(r"^ {2}(?:name|aliases): (.+)$", re.MULTILINE)


def _plain(name: str) -> str:
    return _NOISE.sub(" ", _COUNT.sub("", name.lower().strip()))


def squash(name: str) -> str:
    """A name without case, spaces, punctuation, a leading count or the maker's name: "8xH100 SXM5" -> "h100sxm5"."""
    return re.sub(r"[^a-z0-9.+]+", "", _plain(name)) or re.sub(r"[^a-z0-9.+]+", "", name.lower())


def shuffled(name: str) -> str:
    """A name's words in alphabetical order, so that "A100 80GB SXM" and "A100 SXM 80GB" are one spelling."""
    return "".join(sorted(re.findall(r"[a-z0-9.+]+", _plain(name))))


class Catalogue:
    """The entries of one file of `knowledge`."""

    def __init__(self, file: str, what: str, remedy: str) -> None:
        self._file, self._what, self._remedy = file, what, remedy

    @functools.cached_property
    def _texts(self) -> dict[str, str]:
        text = (files("knowledge") / self._file).read_text(encoding="utf8") + "\n"
        entries = [(match[1], match[2]) for match in _ENTRY.finditer(text)]
        found = dict(entries)
        if len(found) < len(entries):
            raise RuntimeError(f"{self._file}: an id is given twice")
        return found

    @functools.cached_property
    def spellings(self) -> dict[str, str]:
        """Squashed spelling -> id; an id wins over another entry's name, a name over an alias."""
        found: dict[str, str] = {}
        for entry, text in self._texts.items():
            for match in _NAMES.finditer(text):
                value = json.loads(match[1])
                for name in [value] if isinstance(value, str) else value:
                    found.setdefault(squash(name), entry)
                    found.setdefault(shuffled(name), entry)
        return found | {squash(entry): entry for entry in self._texts}

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def raw(self, entry: str) -> dict[str, Any]:
        """The fields of an entry by its id."""
        return parse_yaml(self._texts[entry])

    def resolve(self, spelling: str, field: str) -> str:
        """The id a spelling stands for; raises InputError naming the nearest ids."""
        if spelling in self._texts:
            return spelling
        short = spelling[:200]
        key = squash(short)
        for form in (key, key.removesuffix("s"), shuffled(short)):
            if form in self.spellings:
                return self.spellings[form]
        near = list(dict.fromkeys(self.spellings[match] for match in difflib.get_close_matches(key, self.spellings, 6, 0.5)))[:3]
        hint = f"nearest: {', '.join(near)}" if near else self._remedy
        raise InputError(field, f"no {self._what} is known as {spelling[:60]!r}", hint)
