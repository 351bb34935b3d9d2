"""Conversions between the units of the brief and those of laws, in one place."""

from __future__ import annotations

from knowledge.quantities import PF_DAY_FLOPS

HOUR = 3600.0
DAY = 86400.0
FLOPS_PER_PARAM_TOKEN = 6.0  # forward 2 + backward 4 per parameter and token (Kaplan et al. 2020, section 2.1)


def days_in_words(seconds: float) -> str:
    """A duration for a sentence: 1 day, 30 days, 0.25 days."""
    days = seconds / DAY
    return f"{days:.3g} {'day' if f'{days:.3g}' == '1' else 'days'}"


def flops_to_pf_days(flops: float) -> float:
    """FLOP -> PF-days."""
    return flops / PF_DAY_FLOPS


def pf_days_to_flops(pf_days: float) -> float:
    """PF-days -> FLOP."""
    return pf_days * PF_DAY_FLOPS
