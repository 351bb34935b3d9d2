"""Theory as a sanity check: what a fitted exponent says about the regime it was measured in, and whether an allocation is plausible.

The checklist of a fit (tools/fitting/diagnose.py) calls `exponent_notices`; the relations behind it are those of the theory cards.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools._law_values import law_numbers
from tools.result import Notice

REGIMES = "bahri2021"
_BAHRI, _PAQUETTE = "Bahri et al. 2021, arXiv:2102.06701", "Paquette et al. 2024, arXiv:2405.15074"
_VARIANCE = 0.9  # from here on an exponent is the variance-limited one within the usual error of a fit
_PLAUSIBLE_DIMENSION = 200.0  # beyond it 4/alpha is no longer the dimension of any data set measured so far
# Exponents of the best size over the phases: at most 0.69 (IVb), under a quarter only for a very steep spectrum (Ia, II: alpha > 1.5).
_SIZE_EXPONENTS = (0.25, 0.69)


@dataclass(frozen=True)
class Regime:
    """How theory reads one exponent: variance-limited, resolution-limited or flat; `dimension` is what 4/alpha suggests."""

    name: str
    dimension: float | None


def regime(exponent: float, laws: LawBook) -> Regime:
    """The regime of Bahri et al. 2021 that an exponent in data or params belongs to (resolution-limited: alpha about 4/d)."""
    if exponent >= _VARIANCE:
        return Regime("variance-limited", None)
    if exponent <= 0:
        return Regime("flat", None)
    dimension = float(law_numbers(laws, REGIMES, "dimension", {"alpha": exponent})["d"])
    return Regime("resolution-limited" if dimension <= _PLAUSIBLE_DIMENSION else "flat", dimension)


def exponent_notices(laws: LawBook, alpha: float, beta: float) -> list[Notice]:
    """What theory says of a loss that falls as N^-alpha and D^-beta: one Notice per doubt, none for a plausible fit.

    Raises InputError for exponents that are not finite.
    """
    found: list[Notice] = []
    for name, exponent in (("size", alpha), ("data", beta)):
        if exponent != exponent or abs(exponent) == float("inf"):
            raise InputError(name, "the exponent is not a finite number", "fit again")
        reading = regime(exponent, laws)
        if reading.name == "variance-limited":
            found.append(
                Notice(
                    level="caution",
                    source=_BAHRI,
                    text=(
                        f"The {name} exponent {exponent:.2f} is near 1, as when the other resource is ample: "
                        "it does not hold when both are scaled together."
                    ),
                )
            )
        elif reading.name == "flat":
            found.append(
                Notice(
                    level="warning",
                    source=_BAHRI,
                    text=(
                        f"The {name} exponent {exponent:.3f} is nearly flat: the runs are limited by something else, or the floor is"
                        " misfitted."
                    ),
                )
            )
    found += allocation_notices(beta / (alpha + beta)) if alpha + beta > 0 else []
    return found


def allocation_notices(size_exponent: float) -> list[Notice]:
    """A Notice when the best size grows as compute to a power beyond the phases of Paquette et al. 2024 (a quarter to 0.69)."""
    low, high = _SIZE_EXPONENTS
    if low <= size_exponent <= high:
        return []
    return [
        Notice(
            level="caution",
            source=_PAQUETTE,
            text=(
                f"The fitted best size grows as compute to the power {size_exponent:.2f}; solvable models stay between a quarter and 0.69"
                " unless the spectrum is very steep, so look for a fault in the runs (learning rates not tuned, warm-up, counting of the"
                " head) first."
            ),
        )
    ]
