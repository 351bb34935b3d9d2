"""Vocabulary size: optimal vocabulary params by isoFLOP, derivative and loss fits (Tao et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.forms._registry import form


@form("f(V) = a ln(V)^2 + b ln(V) + c, V at most 200000")
def tokens_per_character(V: Any, *, a: Any, b: Any, c: Any) -> Any:
    """Tokens per character of a BPE vocabulary (Tao et al. 2024, eq. 2)."""
    log_v = np.log(np.minimum(np.asarray(V, float), 200_000.0))
    return a * log_v**2 + b * log_v + c


@form("d by N_nv: width of the first row of the table whose limit is not below N_nv")
def vocabulary_width(N_nv: Any, *, limits: Any, widths: Any) -> Any:
    """Embedding width of a non-vocabulary size (table of Tao et al. 2024, app. B); the last row for larger ones."""
    rows = np.searchsorted(np.asarray(limits, float), np.asarray(N_nv, float), side="left")
    return np.asarray(widths, float)[np.minimum(rows, np.size(limits) - 1)]


def _entries(N_nv: Any, N_v: Any, d: Any, limits: Any, widths: Any) -> dict[str, Any]:
    width = np.where(np.asarray(d, float) > 0, d, vocabulary_width(N_nv, limits=limits, widths=widths))
    return {"V": N_v / width, "N_v": N_v, "d": width}


@form("N_nv = exp(K1) F^0.5, N_v = exp(K2) F^alpha2, H = exp(K3) F^0.5, V = N_v/d")
def vocabulary_by_compute(F: Any, d: Any, *, K1: Any, K2: Any, alpha2: Any, K3: Any, limits: Any, widths: Any) -> dict[str, Any]:
    """Optimal non-vocabulary and vocabulary params and characters for a budget (Tao et al. 2024, approach 1)."""
    F = np.asarray(F, float)
    N_nv = np.exp(K1) * F**0.5
    return {**_entries(N_nv, np.exp(K2) * F**alpha2, d, limits, widths), "N_nv": N_nv, "H": np.exp(K3) * F**0.5}


@form("F = (N_nv/exp(K1))^2, then approach 1")
def vocabulary_by_isoflop(N_nv: Any, d: Any, *, K1: Any, K2: Any, alpha2: Any, limits: Any, widths: Any) -> dict[str, Any]:
    """Optimal vocabulary of a size at its own optimal budget (Tao et al. 2024, approach 1)."""
    F = (np.asarray(N_nv, float) / np.exp(K1)) ** 2
    return {**_entries(N_nv, np.exp(K2) * F**alpha2, d, limits, widths), "F": F}


@form("N_v = N_v0 (N_nv/N_nv0)^gamma, V = N_v/d")
def vocabulary_by_derivative(N_nv: Any, d: Any, *, N_v0: Any, N_nv0: Any, gamma: Any, limits: Any, widths: Any) -> dict[str, Any]:
    """Optimal vocabulary by the derivative of FLOP in V (Tao et al. 2024, approach 2)."""
    return _entries(N_nv, N_v0 * (np.asarray(N_nv, float) / N_nv0) ** gamma, d, limits, widths)


def _normalised_loss(N_nv: Any, N_v: Any, D: Any, A1: Any, A2: Any, B: Any, E: Any, alpha1: Any, alpha2: Any, beta: Any) -> Any:
    return -E + A1 / (N_nv / 1e6) ** alpha1 + A2 / (N_v / 1e6) ** alpha2 + B / (D / 1e9) ** beta


@form("L_u = -E + A1/N_nv^alpha1 + A2/N_v^alpha2 + B/D^beta, N in millions, D in billions")
def vocabulary_loss(N_nv: Any, N_v: Any, D: Any, *, A1: Any, A2: Any, B: Any, E: Any, alpha1: Any, alpha2: Any, beta: Any) -> Any:
    """Unigram-normalised loss, negative (Tao et al. 2024, approach 3); D in the units of the released fit."""
    return _normalised_loss(np.asarray(N_nv, float), np.asarray(N_v, float), np.asarray(D, float), A1, A2, B, E, alpha1, alpha2, beta)


@form("least L_u over V with D = F/(6 (N_nv + V d))")
def vocabulary_by_loss(N_nv: Any, F: Any, d: Any, *, A1: Any, A2: Any, B: Any, E: Any, alpha1: Any, alpha2: Any, beta: Any, K1: Any,
                       limits: Any,
                       widths: Any) -> dict[str, Any]:
    """Optimal vocabulary of a size for a budget; F = 0 stands for the size's own optimal budget (Tao et al. 2024, approach 3)."""
    N_nv = np.asarray(N_nv, float)
    F = np.where(np.asarray(F, float) > 0, F, (N_nv / np.exp(K1)) ** 2)

    def loss(N_v: Any) -> Any:
        return _normalised_loss(N_nv, N_v, F / (6 * (N_nv + N_v)), A1, A2, B, E, alpha1, alpha2, beta)

    span = np.ones(np.broadcast(N_nv, F, np.asarray(A1)).shape)
    N_v = minimise_log(loss, N_nv * span * 1e-5, N_nv * span * 10)
    return {**_entries(N_nv, N_v, d, limits, widths), "F": F, "D": F / (6 * (N_nv + N_v))}
