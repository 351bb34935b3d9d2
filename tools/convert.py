"""Conversions between the units of the brief and those of laws, in one place."""

from __future__ import annotations

from knowledge.quantities import PF_DAY_FLOPS

HOUR = 3600.0
DAY = 86400.0
_COUNTED = ("params", "tokens", "tokens/step", "samples", "examples", "attempts")
_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
FLOPS_PER_PARAM_TOKEN = 6.0  # forward 2 + backward 4 per parameter and token (Kaplan et al. 2020, section 2.1)


def days_in_words(seconds: float) -> str:
    """A duration for a sentence: 30 days, 1 hour, 12 minutes."""
    size, unit = next(
        ((size, unit) for size, unit in ((DAY, "day"), (HOUR, "hour"), (60.0, "minute")) if seconds >= 0.9995 * size), (1.0, "second")
    )
    count = in_words(float(f"{seconds / size:.3g}"))
    return f"{count} {unit}" + ("" if count == "1" else "s")


def in_words(number: float, unit: str = "") -> str:
    """A number for a sentence, a label or a title: 9.05B of params or tokens, 1.3e22 of FLOP and whatever has no suffix."""
    for scale, suffix in _SUFFIXES if unit in _COUNTED and abs(number) < 1e15 else ():
        if abs(number) >= 0.9995 * scale:
            return f"{number / scale:.3g}{suffix}"
    if 1e3 <= abs(number) < 1e6:
        return f"{number:,.0f}"
    mantissa, _, power = f"{number:.3g}".partition("e")
    return f"{mantissa}e{int(power)}" if power else mantissa


def flops_to_pf_days(flops: float) -> float:
    """FLOP -> PF-days."""
    return flops / PF_DAY_FLOPS
