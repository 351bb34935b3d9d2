"""Rendering a value for people: 9.05B params, 3.2 days, $12,300; the only place where numbers become text."""

from __future__ import annotations

from math import floor, isfinite, isinf, log10

from tools.result import Number, Value

_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_LARGEST = 1e15  # from here on counts are written as powers of ten: the field has no suffix beyond T
_COUNTED = {"params", "tokens", "tokens/step", "samples", "samples/step", "sequences", "characters"}
_TIMES = ((365 * 86400.0, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
# Units written in the singular after a bare 1.
_PLURALS = frozenset(
    {"bits", "steps", "tokens", "params", "sequences", "samples", "epochs", "experts", "attempts", "examples", "layers", "atoms"}
)
_BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def significant(number: float, digits: int = 3) -> str:
    """Plain decimal with so many significant digits (whole numbers in full); scientific outside 1e-4..1e7."""
    if number == 0:
        return "0"
    if isinf(number):
        return "unbounded" if number > 0 else "-unbounded"
    if not isfinite(number):
        return "undefined"
    exponent = floor(log10(abs(number)))
    if not -4 <= exponent < 7:
        mantissa, _, power = f"{number:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    if not float(number).is_integer():
        number = round(number, digits - 1 - exponent)
        exponent = floor(log10(abs(number)))
    decimals = max(0, digits - 1 - exponent)
    text = f"{number:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text and decimals > 2 else text


def _scaled(number: float, scales: tuple[tuple[float, str], ...], gap: str) -> str:
    for scale, suffix in scales:
        if abs(number) >= scale * 0.9995:
            return f"{significant(number / scale)}{gap}{suffix}"
    return significant(number)


def quantity(number: Number | list[Number], unit: str) -> str:
    """A number with its unit, in the form people of the field write it."""
    if isinstance(number, list):
        return ", ".join(quantity(item, unit) for item in number)
    if isinstance(number, bool):
        return "yes" if number else "no"
    if number is None:
        return "-"
    if isinstance(number, str):
        return number
    value = float(number)
    if not isfinite(value):
        return significant(value)
    if unit == "USD" or unit.startswith("USD/"):
        return _money(value) + unit.removeprefix("USD").replace("/", "/")
    if unit in _COUNTED and value.is_integer() and abs(value) < 1e5:
        return f"{int(value):,} {_unit(unit, value)}"
    if unit in _COUNTED and abs(value) >= _LARGEST:
        return f"{_scientific(value)} {unit}"
    if unit in _COUNTED:
        return f"{_scaled(value, _SCALES, '')} {unit}"
    if unit in ("h", "kWh"):
        name = "accelerator-hours" if unit == "h" else unit
        return f"{_scaled(value, _SCALES, '') if value >= 1e6 else significant(value)} {name}"
    if unit == "s":
        return _scaled(value, _TIMES, " ") if value >= 1e-3 else f"{significant(value)} s"
    if unit == "ms" and value >= 1e3:
        return f"{significant(value / 1e3)} s"
    if unit == "bytes":
        return _scaled(value, _BYTES, " ") + ("" if abs(value) >= 1e3 else " bytes")
    if unit == "FLOP" or unit.startswith("FLOP/"):
        return f"{_scientific(value)} {unit}"
    if float(value).is_integer() and abs(value) < 1e7:
        return f"{int(value):,}" + (f" {_unit(unit, value)}" if unit else "")
    return significant(value) + (f" {unit}" if unit else "")


def exact(number: float) -> str:
    """An input of a formula: whole numbers in full, others with five digits, no zeros at the end."""
    if float(number).is_integer() and abs(number) < 1e7:
        return f"{int(number):,}"
    head, power, tail = significant(number, 5).partition("e")
    return (head.rstrip("0").rstrip(".") if "." in head else head) + power + tail


def short(number: float) -> str:
    """A bare number in few characters: 7.00B, 1e22, 0.4, 4,096."""
    if abs(number) >= _LARGEST:
        return _scientific(number)
    return _scaled(number, _SCALES, "") if abs(number) >= 1e5 else significant(number)


def _unit(unit: str, value: float) -> str:
    return unit.removesuffix("s") if value == 1 and unit in _PLURALS else unit


def _scientific(value: float) -> str:
    mantissa, _, power = f"{value:.2e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(power)}"


def _money(value: float) -> str:
    if abs(value) >= 0.9995e6:
        return "$" + _scaled(value, _SCALES, "")
    return f"${significant(value)}" if abs(value) >= 100 else f"${value:,.2f}" if abs(value) >= 0.1 else f"${significant(value, 2)}"


def shown(value: Value) -> str:
    """The value with its unit."""
    return quantity(value.value, value.unit)


def interval(value: Value) -> str:
    """`low to high` in the value's unit (said once), or nothing where it has none."""
    if value.low is None or value.high is None or value.low == value.high:
        return ""
    low, high = quantity(value.low, value.unit), quantity(value.high, value.unit)
    low_head, _, low_unit = low.partition(" ")
    _, _, high_unit = high.partition(" ")
    return f"{low_head} to {high}" if low_unit and low_unit == high_unit else f"{low} to {high}"
