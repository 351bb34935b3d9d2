"""The Chinchilla family: an irreducible loss plus one power law in parameters and one in tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = E + A/N^alpha + B/D^beta")
def chinchilla_loss(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    """Loss from params and tokens (Hoffmann et al. 2022, eq. 10)."""
    return E + A / N**alpha + B / D**beta


@form("a = beta/(alpha+beta), G = (alpha A/(beta B))^(1/(alpha+beta)), N = G (C/k)^a, D = (C/k)^(1-a)/G, k = 6")
def chinchilla_optimum(C: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Params and tokens of least loss under C = k N D (Hoffmann et al. 2022, eq. 4), with the loss there."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    nd = np.asarray(C, float) / k
    N = G * nd ** (beta / (alpha + beta))
    D = nd / N
    return {"N": N, "D": D, "tokens_per_param": D / N, "L": chinchilla_loss(N, D, E=E, A=A, B=B, alpha=alpha, beta=beta)}


@form("N -> C = k N D with D the tokens at which N is optimal: (N/G)^((alpha+beta)/beta) = C/k")
def chinchilla_optimum_for_params(N: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Tokens and compute for which a given size is compute-optimal (inverse of eq. 4)."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    C = k * (np.asarray(N, float) / G) ** ((alpha + beta) / beta)
    D = C / (k * np.asarray(N, float))
    return {"C": C, "D": D, "tokens_per_param": D / N, "L": chinchilla_loss(N, D, E=E, A=A, B=B, alpha=alpha, beta=beta)}


@form("D -> C = k N D with N the params for which D is optimal: (D G)^((alpha+beta)/alpha) = C/k")
def chinchilla_optimum_for_tokens(D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Params and compute for which a number of tokens is compute-optimal (inverse of eq. 4)."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    C = k * (np.asarray(D, float) * G) ** ((alpha + beta) / alpha)
    N = C / (k * np.asarray(D, float))
    return {"C": C, "N": N, "tokens_per_param": D / N, "L": chinchilla_loss(N, D, E=E, A=A, B=B, alpha=alpha, beta=beta)}


@form("D = (B/(L - E - A/N^alpha))^(1/beta)")
def chinchilla_tokens_for_loss(L: Any, N: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    """Tokens a size needs to reach a loss; infinite where the size cannot reach it."""
    rest = np.asarray(L - E - A / N**alpha, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rest > 0, (B / np.where(rest > 0, rest, 1.0)) ** (1 / beta), np.inf)
