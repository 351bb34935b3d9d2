"""Reads the law base: one YAML file a card, loaded when first asked for."""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from knowledge.errors import InputError
from knowledge.schema import LawCard

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):
    """YAML where a key given twice is an error: a repeated coefficient must not silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """YAML to plain data, duplicate keys refused."""
    return yaml.load(text, Loader=_UniqueKeyLoader)


@functools.cache
def _card_files() -> dict[str, Traversable]:
    root = files("knowledge") / "laws"
    found: dict[str, Traversable] = {}
    for area in sorted(root.iterdir(), key=lambda entry: entry.name):
        if area.is_dir():
            for entry in sorted(area.iterdir(), key=lambda entry: entry.name):
                if entry.name.endswith(".yaml"):
                    found[entry.name.removesuffix(".yaml")] = entry
    return found


@functools.cache
def titles() -> dict[str, str]:
    """Title of every published card by id, read without parsing the cards."""
    heads = {law: re.search(r"^title: (.+)$", entry.read_text(encoding="utf8"), re.MULTILINE) for law, entry in _card_files().items()}
    return {law: str(parse_yaml(match[1])) for law, match in heads.items() if match}


@functools.cache
def _published(law_id: str) -> LawCard:
    return parse_card(_card_files()[law_id].read_text(encoding="utf8"), f"law card {law_id}")


@functools.cache
def base_version() -> str:
    """Content hash of the law base: two answers with the same hash used the same cards."""
    digest = hashlib.sha256()
    for law_id, entry in _card_files().items():
        digest.update(law_id.encode())
        digest.update(entry.read_bytes())
    return digest.hexdigest()[:12]


def parse_card(text: str, where: str) -> LawCard:
    """A law card from YAML (or JSON) text; raises InputError naming the place of the first fault."""
    try:
        data = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise InputError(where, f"not readable as YAML{place}", str(getattr(error, "problem", error))) from None
    if not isinstance(data, dict):
        raise InputError(where, "holds no law card", "expected a mapping with id, relations and variants")
    try:
        return LawCard.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "card"
        raise InputError(where, f"{place}: {first['msg']}", "see `flopwise law show besiroglu2024 --json` for a valid card") from None


def load_card(path: str | Path) -> LawCard:
    """A law card from a file of the user's."""
    try:
        text = Path(path).read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("law", f"cannot read {str(path)!r}", getattr(error, "strerror", None) or "not a text file") from None
    return parse_card(text, f"law file {path}")


class LawBook:
    """The published cards with, on top, any laws of the user's own (which win over a published id)."""

    def __init__(self, own: Mapping[str, LawCard] | None = None) -> None:
        self._own = dict(own or {})

    def with_laws(self, cards: Iterable[LawCard]) -> LawBook:
        """A new book with these cards added."""
        return LawBook({**self._own, **{card.id: card for card in cards}})

    @property
    def own(self) -> dict[str, LawCard]:
        """The user's own laws by id."""
        return dict(self._own)

    def ids(self) -> list[str]:
        """Every id, sorted."""
        return sorted({*_card_files(), *self._own})

    def get(self, law_id: str) -> LawCard:
        """The card of an id; raises InputError with the nearest ids when there is none."""
        if law_id in self._own:
            return self._own[law_id]
        if law_id in _card_files():
            return _published(law_id)
        near = difflib.get_close_matches(law_id.lower(), self.ids(), 3, 0.4)
        hint = f"nearest: {', '.join(near)}" if near else "see `flopwise law list`"
        raise InputError("law", f"no law is called {law_id!r}", hint)

    def __contains__(self, law_id: object) -> bool:
        return law_id in self._own or law_id in _card_files()

    def __iter__(self) -> Iterator[LawCard]:
        return (self.get(law_id) for law_id in self.ids())
