"""How far a serving estimate may be off: residuals of rows the calibration had not seen, by how familiar the machine and software are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.systems.serving_case import Case

LEVEL = 0.9
_SEEN = 15  # rows of one part, family and regime from which on it counts as known


def cell(case: Case) -> str:
    """The part, software and regime of a case."""
    return f"{case.part_id}|{case.family}|{case.regime}"


def pair(case: Case) -> str:
    """The generation and software of a case."""
    return f"{case.generation}|{case.family}"


def familiarity(case: Case, cells: Mapping[str, int], pairs: Mapping[str, int]) -> str:
    """known: the part ran this software in this regime; related: its generation ran the software; new: neither, or too rarely to tell."""
    if cells.get(cell(case), 0) >= _SEEN:
        return "known"
    return "related" if pairs.get(pair(case), 0) >= _SEEN else "new"


def quantiles(residuals: NDArray[np.float64], groups: NDArray[np.str_] | None = None, level: float = LEVEL) -> tuple[float, float]:
    """Conformal bounds of log(measured/predicted): the (n+1)-corrected quantiles of both tails (Lei et al. 2018, section 2).

    With `groups` (sources) each counts the same and n is their number: a new source is exchangeable with sources, not with rows. The
    outermost 2% are never used: single rows of a table may be misprints.
    """
    names, inverse, counts = np.unique(groups if groups is not None else np.arange(len(residuals)), return_inverse=True, return_counts=True)
    rank = min(0.99, (1.0 - (1.0 - level) / 2.0) * (len(names) + 1) / len(names))
    order = np.argsort(residuals)
    share = np.cumsum((1.0 / counts)[inverse][order]) / len(names)
    low, high = np.searchsorted(share, [1.0 - rank, rank - 1e-12])
    return float(residuals[order[low]]), float(residuals[order[min(high, len(order) - 1)]])


def interval(case: Case, calibration: Mapping[str, Any]) -> tuple[float, float, str]:
    """(low factor, high factor, familiarity) of a case by a calibration."""
    known = familiarity(case, calibration["cells"], calibration["pairs"])
    low, high = calibration["intervals"][case.regime][known]
    return float(np.exp(low)), float(np.exp(high)), known
