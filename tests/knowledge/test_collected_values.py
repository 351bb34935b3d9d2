"""Every coefficient as it was collected stands on the card: half of them no check exercises, so a slip of the pen would stay unseen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from shared import shared_path

from knowledge import LawBook
from knowledge.library import parse_yaml

BOOK = LawBook()
# Kept in words, or in another form, on these cards: shares of runs, logarithms given as fractions, counts of a data set.
IN_WORDS = {"brown2024_monkeys", "caco2025", "magnusson2025_datadecide", "porian2024", "zhou2025_seta"}
LOGARITHMS = re.compile(r"^log_|^ln_")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield abs(float(value))
    elif isinstance(value, str):
        for text in re.findall(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:[eE][+-]?\d+)?", value):
            yield abs(float(text.replace(",", "")))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)


@pytest.mark.parametrize("law", [law for law in BOOK.ids() if law not in IN_WORDS])
def test_every_collected_coefficient_is_on_the_card(law: str) -> None:
    collected = parse_yaml(shared_path(f"laws/{law}.yaml").read_text(encoding="utf8"))
    on_card = set(_numbers(BOOK.get(law).model_dump()))
    on_card |= {math.exp(number) for number in on_card if number < 50}
    for variant in collected.get("coefficients") or []:
        for name, value in variant["values"].items():
            for number in _numbers(value) if not isinstance(value, str) else ():
                wanted = {number, math.exp(number)} if LOGARITHMS.match(str(name)) and number < 50 else {number}
                found = any(math.isclose(own, one, rel_tol=1e-5, abs_tol=1e-12) for own in on_card for one in wanted)
                assert found, f"{variant['variant']}: {name} = {number:g}"
