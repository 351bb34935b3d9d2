"""The gate before words leave: every number in a text must be a rendered result field or stand in the question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?")


def numbers_in(text: str) -> set[str]:
    """Numbers as written, thousands separators removed."""
    return {re.sub(r",(?=\d{3})", "", match) for match in _NUMBER.findall(text)}


def ungrounded(text: str, allowed_texts: Iterable[str]) -> set[str]:
    """Numbers of a text that none of the allowed texts holds."""
    allowed: set[str] = set()
    for source in allowed_texts:
        allowed |= numbers_in(source)
    return numbers_in(text) - allowed


def strings_of(data: Any) -> Iterator[str]:
    """Every string and number in nested plain data, as text."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from strings_of(value)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from strings_of(item)
    elif data is not None:
        yield str(data)
