"""From the loss on one corpus or test to the loss on another, and the joint power law with a floor it leans on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L1 = K (L0 - E0)^kappa + E1")
def loss_to_loss(L0: Any, *, K: Any, kappa: Any, E0: Any, E1: Any) -> Any:
    """Loss on corpus or test 1 of the model paired with loss L0 on corpus 0; NaN below the floor E0 (Brandfonbrener et al. 2024)."""
    above = np.asarray(L0, float) - E0
    return np.where(above >= 0, K * np.abs(above) ** kappa + E1, np.nan)


@form("L0 = ((L1 - E1)/K)^(1/kappa) + E0")
def loss_to_loss_inverse(L1: Any, *, K: Any, kappa: Any, E0: Any, E1: Any) -> Any:
    """Loss on corpus 0 that goes with a loss on corpus or test 1."""
    above = (np.asarray(L1, float) - E1) / K
    return np.where(above >= 0, np.abs(above) ** (1 / kappa) + E0, np.nan)


@form("kappa = kappa01 kappa12, K = K12 K01^kappa12")
def compose_loss_to_loss(kappa01: Any, K01: Any, kappa12: Any, K12: Any) -> dict[str, Any]:
    """Coefficients of 0 -> 2 from those of 0 -> 1 and 1 -> 2 (same floors)."""
    return {"kappa": np.asarray(kappa01) * kappa12, "K": K12 * np.asarray(K01, float) ** kappa12}


@form("L = ((A/N)^(alpha/beta) + B/D)^beta + E")
def kaplan_floor_loss(N: Any, D: Any, *, A: Any, B: Any, E: Any, alpha: Any, beta: Any) -> Any:
    """Loss from params and tokens in Kaplan's joint form with a floor (Brandfonbrener et al. 2024)."""
    return ((A / np.asarray(N, float)) ** (alpha / beta) + B / np.asarray(D, float)) ** beta + E


@form("N = ((alpha/beta) A^(alpha/beta) C/(k B))^(1/(1+alpha/beta)), D = C/(k N), k = 6")
def kaplan_floor_optimum(C: Any, *, A: Any, B: Any, E: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Params and tokens of least loss under C = k N D for the joint form with a floor."""
    p = alpha / beta
    N = (p * A**p * np.asarray(C, float) / (k * B)) ** (1 / (1 + p))
    D = np.asarray(C, float) / (k * N)
    return {"N": N, "D": D, "tokens_per_param": D / N, "L": kaplan_floor_loss(N, D, A=A, B=B, E=E, alpha=alpha, beta=beta)}
