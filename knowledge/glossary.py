"""Terms of the field in a sentence or two, found by how people write them."""

from __future__ import annotations

import functools
import re
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from knowledge.errors import InputError
from knowledge.library import parse_yaml


class Term(BaseModel):
    """A term: its name, how people write it, what it means, and the cards that use it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    words: tuple[str, ...]
    text: str
    laws: tuple[str, ...] = ()


@functools.cache
def glossary() -> dict[str, Term]:
    """Every term by id."""
    raw = parse_yaml((files("knowledge") / "glossary.yaml").read_text(encoding="utf8"))
    return {key: Term.model_validate(value) for key, value in raw.items()}


def term(term_id: str) -> Term:
    """A term by id; raises InputError for an unknown one."""
    if term_id not in glossary():
        raise InputError("terms", f"no term is called {term_id!r}", f"terms: {', '.join(glossary())}")
    return glossary()[term_id]


def terms_in(text: str) -> list[str]:
    """Ids of the terms a text names, the longest wording first."""
    found: list[tuple[int, str]] = []
    for key, entry in glossary().items():
        lengths = [len(word) for word in entry.words if re.search(rf"(?<![\w@-]){re.escape(word)}s?(?![\w-])", text, re.IGNORECASE)]
        if lengths:
            found.append((-max(lengths), key))
    return [key for _, key in sorted(found)]
