"""Farseer's loss surface in the coordinates it is fitted in: the printed ones trade nine constants against each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


def _stretched(x: Any, level: Any, slope: Any, bend: Any) -> Any:
    """exp(level + slope (e^(bend x) - 1)/bend): a power law in e^x that bends by `bend`, smooth through bend = 0."""
    return np.exp(level + slope * np.expm1(bend * x) / bend)


@form("L = G + B (D/D_0)^-A; G, B, A each exp(level + slope ((N/N_0)^bend - 1)/bend)")
def farseer_centred_loss(N: Any, D: Any, *, g: Any, g_slope: Any, g_bend: Any, b: Any, b_slope: Any, b_bend: Any, a: Any, a_slope: Any,
                         a_bend: Any, N_0: float = 1e9, D_0: float = 2e10) -> Any:
    """Farseer's surface (Li et al. 2025, eq. 3: G(N) + B(N) D^-A(N), three stretched exponentials) centred on N_0, D_0 for fitting."""
    x, y = np.log(np.asarray(N, float) / N_0), np.log(np.asarray(D, float) / D_0)
    return _stretched(x, g, g_slope, g_bend) + _stretched(x, b, b_slope, b_bend) * np.exp(-y * _stretched(x, a, a_slope, a_bend))
