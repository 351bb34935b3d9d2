"""Amounts as people type them into the page's fields."""

from __future__ import annotations

from typing import Any

import pytest

from agent.understand.amounts import read_amount
from knowledge.errors import InputError


@pytest.mark.parametrize(
    ("field", "text", "spoken", "expected"),
    [
        ("params_total", "7B", "en", 7e9),
        ("tokens", "2.5T tokens", "en", 2.5e12),
        ("compute_flops", "1e22 FLOPs", "en", 1e22),
        ("budget_usd", "$50k", "en", 5e4),
        ("duration_seconds", "two weeks", "en", 14 * 86400.0),
        ("mfu", "40%", "en", 0.4),
        ("mfu", "45", "en", 0.45),
        ("weight_bits", "4, 8", "en", [4, 8]),
        ("accelerator", "H100 or MI300X", "en", ["h100-sxm", "mi300x"]),
        ("memory_bytes", "24 GB", "en", 24e9),
        ("n_accelerators", "64 GPUs", "en", 64),
        ("models", "llama 3 70b", "en", ["llama-3-70b"]),
        ("latency_ms_per_token", "40 ms", "en", 40.0),
        ("tokens", "1,5 Billionen", "de", 1.5e12),
        ("n_accelerators", "1.500", "de", 1500),
        ("budget_usd", "50.000", "de", 5e4),
        ("duration_seconds", "3 Wochen", "de", 21 * 86400.0),
    ],
)
def test_amounts_are_read_in_the_fields_unit(field: str, text: str, spoken: str, expected: Any) -> None:
    assert read_amount(field, text, spoken) == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("tokens", "abc"),
        ("n_accelerators", "-3"),
        ("params_total", ""),
        ("memory_bytes", "3 days"),
        ("accelerator", "H900"),
        ("nonsense", "1"),
        ("task", "cook"),
        ("tokens", "9" * 300),
        ("params_total", "1e40"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_field(field: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_amount(field, text)
    assert caught.value.field == field
