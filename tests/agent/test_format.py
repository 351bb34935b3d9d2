"""Rendering numbers for people."""

import pytest

from agent.format import interval, quantity
from tools.result import Value


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (9.045e9, "params", "9.04B params"),
        (1.843e11, "tokens", "184B tokens"),
        (1e22, "FLOP", "1e22 FLOP"),
        (2.16e23, "FLOP", "2.16e23 FLOP"),
        (12345.0, "USD", "$12,345"),
        (2.5, "USD/h", "$2.50/h"),
        (1.2e6, "USD", "$1.20M"),
        (0.0003, "USD", "$0.0003"),
        (86400.0, "s", "1.00 days"),
        (0.0005, "s", "0.0005 s"),
        (8e10, "bytes", "80.0 GB"),
        (2.14111, "nats/token", "2.14 nats/token"),
        (4, "bits", "4 bits"),
        (True, "", "yes"),
        (float("inf"), "tokens", "unbounded"),
        (0.0, "", "0"),
        (None, "", "-"),
        ([8, 4], "bits", "8 bits, 4 bits"),
        (3.1e-4, "", "0.00031"),
    ],
)
def test_quantity(number, unit, text):
    assert quantity(number, unit) == text


def test_interval_needs_both_ends():
    assert interval(Value(value=1.0, unit="params")) == ""
    assert interval(Value(value=2e9, unit="params", low=1e9, high=3e9)) == "1.00B to 3.00B params"


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (27480.31, "USD", "$27,500"),
        (68508.2, "tokens/s", "68,500 tokens/s"),
        (10487119.3, "h", "10.5M accelerator-hours"),
        (99.976, "ms", "100 ms"),
        (1, "bits", "1 bit"),
        (4096, "tokens", "4,096 tokens"),
        (3.94e15, "params", "3.94e15 params"),
    ],
)
def test_no_more_digits_than_are_known(number, unit, text):
    assert quantity(number, unit) == text
