"""Loss surfaces in the coordinates they are fitted in: terms by their size at a central run (N_0, D_0), in units of a loss L_0.

The printed coordinates trade a factor against its exponent; these do not, so a weak prior can be put on each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


def _logs(N: Any, D: Any, N_0: float, D_0: float) -> tuple[Any, Any]:
    return np.log(np.asarray(N, float) / N_0), np.log(np.asarray(D, float) / D_0)


@form("L/L_0 = exp(e) + exp(n) (N/N_0)^-alpha + exp(d) (D/D_0)^-beta")
def chinchilla_centred_loss(
    N: Any, D: Any, *, e: Any, n: Any, d: Any, alpha: Any, beta: Any, N_0: float = 1e9, D_0: float = 2e10, L_0: float = 1.0
) -> Any:
    """The Chinchilla surface (Hoffmann et al. 2022, eq. 10), centred."""
    x, y = _logs(N, D, N_0, D_0)
    return L_0 * (np.exp(e) + np.exp(n - alpha * x) + np.exp(d - beta * y))


@form("L/L_0 = exp(e) + ((exp(n) (N/N_0)^-alpha)^(1/beta) + (exp(d) (D/D_0)^-beta)^(1/beta))^beta")
def kaplan_floor_centred_loss(
    N: Any, D: Any, *, e: Any, n: Any, d: Any, alpha: Any, beta: Any, N_0: float = 1e9, D_0: float = 2e10, L_0: float = 1.0
) -> Any:
    """Kaplan's joint law (Kaplan et al. 2020, eq. 1.5) above a floor, centred."""
    x, y = _logs(N, D, N_0, D_0)
    return L_0 * (np.exp(e) + np.exp(beta * np.logaddexp((n - alpha * x) / beta, (d - beta * y) / beta)))


def _stretched(x: Any, level: Any, slope: Any, bend: Any) -> Any:
    """level + slope (e^(bend x) - 1)/bend: the logarithm of a power law that bends by `bend`, smooth through bend = 0."""
    return level + slope * np.expm1(bend * x) / bend


@form("L/L_0 = G + B (D/D_0)^-A; log G, log B, log A each level + slope ((N/N_0)^bend - 1)/bend")
def farseer_centred_loss(
    N: Any,
    D: Any,
    *,
    g: Any,
    g_slope: Any,
    g_bend: Any,
    b: Any,
    b_slope: Any,
    b_bend: Any,
    a: Any,
    a_slope: Any,
    a_bend: Any,
    N_0: float = 1e9,
    D_0: float = 2e10,
    L_0: float = 1.0,
) -> Any:
    """Farseer's surface (Li et al. 2025, eq. 3: G(N) + B(N) D^-A(N), three stretched exponentials), centred."""
    x, y = _logs(N, D, N_0, D_0)
    decay = _stretched(x, b, b_slope, b_bend) - y * np.exp(_stretched(x, a, a_slope, a_bend))
    return L_0 * np.exp(np.logaddexp(_stretched(x, g, g_slope, g_bend), decay))
