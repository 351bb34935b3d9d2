"""Reading numbers from `name=value` arguments: 1e22, 7B, 300G, 4096, lists by comma; a unit is checked, never ignored."""

from __future__ import annotations

import math
import re
from typing import Any

from knowledge.errors import InputError

_SUFFIX = {
    "": 1.0,
    "k": 1e3,
    "K": 1e3,
    "m": 1e6,
    "M": 1e6,
    "B": 1e9,
    "G": 1e9,
    "b": 1e9,
    "T": 1e12,
    "t": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Z": 1e21,
}
_NUMBER = re.compile(r"([+-]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)", re.DOTALL)


def split_assignment(text: str) -> tuple[str, str]:
    """`C=1e22` -> ("C", "1e22"); InputError where there is no name, no sign or no value."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise InputError(text, "is not of the form name=value", "for example C=1e22")
    return name.strip(), value.strip()


def parse_number(name: str, text: str, unit: str = "") -> float:
    """A finite number in `unit`, with an optional suffix (k, M, B or G, T, P, E, Z) and optionally the unit itself."""
    if text.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise InputError(name, f"{text} is not a finite number")
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InputError(name, f"{text!r} is not a number", "for example 1e22, 7B or 4096")
    value = float(match[1].replace("_", "").replace(",", "")) * _scale(name, match[2].strip(), unit)
    if not math.isfinite(value):
        raise InputError(name, f"{text} is not a finite number")
    return value


def _scale(name: str, rest: str, unit: str) -> float:
    if rest == "%":
        return 0.01
    scale, word = (_SUFFIX[rest[:1]], rest[1:]) if rest[:1] in _SUFFIX and rest[:1] and not _same_unit(rest, unit) else (1.0, rest)
    if word and not _same_unit(word, unit):
        raise InputError(name, f"unit {rest!r} does not fit", f"it is counted in {unit}" if unit else "it has no unit")
    return scale


def _same_unit(word: str, unit: str) -> bool:
    spellings = {unit.lower(), unit.lower() + "s", unit.lower().rstrip("s")} if unit else set[str]()
    return word.strip().lower() in spellings


def parse_value(name: str, text: str, unit: str = "") -> Any:
    """A number, or a list of them where commas and brackets say so: [1e9,2e9]."""
    if text.startswith("[") and text.endswith("]"):
        return [parse_number(name, part, unit) for part in text[1:-1].split(",") if part.strip()]
    return parse_number(name, text, unit)
