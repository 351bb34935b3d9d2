"""A share of an amount ("5% of 1e24 FLOPs", "half of $2M") is the amount meant."""

from __future__ import annotations

import re

from agent.understand.quantities import Measure

_PARTS = {"half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2, "tenth": 0.1}
_FILLERS = r"(?:the |a |an |our |my |about |roughly |total )*\$?$"
_PART_OF = re.compile(rf"\b(?P<part>{'|'.join(_PARTS)}) of {_FILLERS}")
_SHARE_OF = re.compile(rf"^ ?(?:of|von|de|der|des|del) {_FILLERS}")
_DIMS = frozenset({"flop", "usd", "acc_hours"})


def take_shares(found: list[Measure], text: str) -> None:
    """Multiply, in place, each amount by the share stated of it; a percentage is then no quantity of its own."""
    for number, measure in enumerate(found):
        before = found[number - 1] if number else None
        part = _PART_OF.search(text, max(0, measure.start - 40), measure.start)
        if measure.dim not in _DIMS:
            continue
        share = _PARTS[part["part"]] if part else 1.0
        if before and before.dim == "fraction" and 0 < before.value < 1 and _SHARE_OF.match(text[before.end : measure.start]):
            before.dim, share = "used", before.value
        if share != 1.0:
            measure.whole, measure.value = measure.value, float(f"{measure.value * share:.15g}")


__all__ = ["take_shares"]
