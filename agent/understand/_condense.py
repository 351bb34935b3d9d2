"""Long messages: only what can be part of a planning question is read, each sentence once, so that no text takes long."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from dataclasses import dataclass

from agent.understand._instructions import sentences

READ = 3_000  # characters: above every question people write, and within what the patterns read in a fraction of a second
_PIECE = 400
_TELLS = (
    re.compile(r"\d"),
    re.compile(r"[?？]|\b(?:how|what|which|when|wie|welche|combien|quel|cuánt|qué)|吗|か\s*$"),
    re.compile(r"[`<{\[|#]|-{3}"),
)
_RUN = re.compile(r"(\S)\1{40,}|\S{200,}|\s{4,}")
NOTICE = "the message is long: only the parts of it that may state or ask something to plan were read"


@dataclass(frozen=True, slots=True)
class Condensed:
    """The part of a text that is read, and where each piece of it stood."""

    text: str
    starts: tuple[int, ...] = (0,)
    origins: tuple[int, ...] = (0,)

    def origin(self, place: int) -> int:
        """The offset in the whole text of an offset in the part."""
        at = bisect_right(self.starts, place) - 1
        return self.origins[at] + place - self.starts[at]


def _pieces(text: str) -> list[tuple[int, int]]:
    """Sentences, those without an end cut at a space."""
    found: list[tuple[int, int]] = []
    for start, end in sentences(text):
        while end - start > _PIECE:
            cut = max(text.rfind(" ", start, start + _PIECE), text.rfind(",", start, start + _PIECE) + 1)
            cut = cut if cut > start + _PIECE // 2 else start + _PIECE
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return found


def _kept(text: str) -> list[tuple[int, int]]:
    """The pieces to read, in order: the most telling ones that fit, each wording once."""
    seen: set[str] = set()
    weighed: list[tuple[int, int, int]] = []
    for start, end in _pieces(text):
        words = " ".join(dict.fromkeys(text[start:end].split()))
        if words not in seen:
            seen.add(words)
            weighed.append((sum(bool(tell.search(words)) for tell in _TELLS), start, end))
    weighed.sort(key=lambda one: (-one[0], one[1]))
    sizes = itertools.accumulate(end - start + 1 for _, start, end in weighed)
    return sorted((start, end) for (_, start, end), size in zip(weighed, sizes, strict=True) if size <= READ)


def condense(text: str) -> Condensed:
    """What is read of a folded text: all of it, where it is of a usual length."""
    if len(text) > 200:
        text = _RUN.sub(lambda run: run[0][:3] + " " * (len(run[0]) - 3) if run[0].strip() else run[0], text)
    if len(text) <= READ:
        return Condensed(text)
    parts = _kept(text)
    starts, at = [], 0
    for start, end in parts:
        starts.append(at)
        at += end - start + 1
    return Condensed("\n".join(text[start:end] for start, end in parts), tuple(starts) or (0,), tuple(start for start, _ in parts) or (0,))


__all__ = ["NOTICE", "READ", "Condensed", "condense"]
