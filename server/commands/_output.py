"""Plain output of the sub-commands: JSON, numbers for people, aligned columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def emit(data: Any) -> None:
    """Print data as JSON; what is not finite becomes null, for JSON has no NaN."""
    print(json.dumps(_finite(data), indent=2, ensure_ascii=False))


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return None
    return data


def number(value: Any) -> str:
    """A number for people: six significant digits, large and small ones as powers of ten."""
    if isinstance(value, list):
        return "[" + ", ".join(number(entry) for entry in value) + "]"
    return f"{value:.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Rows of cells in aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
