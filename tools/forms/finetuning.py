"""Finetuning: effective data of a pretrained model, joint laws of size and examples, and the rectified law."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("D_T = k D_F^alpha N^beta, D_E = D_F + D_T, multiplier = D_E/D_F")
def transferred_data(D_F: Any, N: Any, *, k: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Data a pretrained model is worth on a target distribution, in the unit of D_F (Hernandez et al. 2021, eqs. 1.1-1.2)."""
    D_F = np.asarray(D_F, float)
    D_T = k * D_F**alpha * np.asarray(N, float) ** beta
    return {"D_T": D_T, "D_E": D_F + D_T, "multiplier": (D_F + D_T) / D_F}


@form("N = ((D_E - D_F)/(k D_F^alpha))^(1/beta)")
def params_for_effective_data(D_E: Any, D_F: Any, *, k: Any, alpha: Any, beta: Any) -> Any:
    """Size whose pretraining makes D_F worth D_E."""
    D_F = np.asarray(D_F, float)
    return ((np.asarray(D_E, float) - D_F) / (k * D_F**alpha)) ** (1 / beta)


@form("factor = D_F_ratio^alpha N_ratio^beta; data_worth = N_ratio^(beta/alpha)")
def transfer_ratio(D_F_ratio: Any, N_ratio: Any, *, alpha: Any, beta: Any) -> dict[str, Any]:
    """Factor on transferred data from more finetuning data and a larger model, and the data factor a size factor is worth."""
    N_ratio = np.asarray(N_ratio, float)
    return {"factor": np.asarray(D_F_ratio, float) ** alpha * N_ratio**beta, "data_worth": N_ratio ** (beta / alpha)}


@form("L = A/(X^alpha D_f^beta) + E")
def multiplicative_loss(X: Any, D_f: Any, *, A: Any, alpha: Any, beta: Any, E: Any) -> Any:
    """Loss after finetuning from a factor X (params, pretraining tokens or tuned parameters) and examples (Zhang et al. 2024, eq. 1)."""
    return A / (np.asarray(X, float) ** alpha * np.asarray(D_f, float) ** beta) + E


@form("D_f = (A/(X^alpha (L - E)))^(1/beta)")
def examples_for_multiplicative_loss(L: Any, X: Any, *, A: Any, alpha: Any, beta: Any, E: Any) -> Any:
    """Examples needed for a loss; infinite at or below the floor."""
    above = np.asarray(L, float) - E
    return np.where(above > 0, (A / (np.asarray(X, float) ** alpha * np.where(above > 0, above, 1.0))) ** (1 / beta), np.inf)


@form("D_f = H X^g, H = (A1/A2)^(1/(beta1-beta2)), g = (alpha2-alpha1)/(beta1-beta2)")
def critical_examples(X: Any, A1: Any, alpha1: Any, beta1: Any, A2: Any, alpha2: Any, beta2: Any) -> dict[str, Any]:
    """Examples at which two methods are equally far above their floors (Zhang et al. 2024, eq. 3)."""
    H = (np.asarray(A1, float) / A2) ** (1 / (np.asarray(beta1, float) - beta2))
    g = (np.asarray(alpha2, float) - alpha1) / (np.asarray(beta1, float) - beta2)
    return {"D_f": H * np.asarray(X, float) ** g, "H": H, "g": g}


@form("L = B/(D_l + D^beta) + E")
def rectified_loss(D: Any, *, B: Any, D_l: Any, beta: Any, E: Any) -> Any:
    """Test loss after finetuning on D examples; D_l is what pretraining already taught (Lin et al. 2024)."""
    return B / (D_l + np.asarray(D, float) ** beta) + E


@form("D = (B/(L - E) - D_l)^(1/beta)")
def rectified_examples(L: Any, *, B: Any, D_l: Any, beta: Any, E: Any) -> Any:
    """Examples for a loss: 0 where the model is there untuned, infinite at or below the floor."""
    above = np.asarray(L, float) - E
    inner = B / np.where(above > 0, above, 1.0) - D_l
    return np.where(above > 0, np.maximum(inner, 0.0) ** (1 / beta), np.inf)


@form("D = D_l^(1/beta)")
def pre_power_end(*, D_l: Any, beta: Any) -> Any:
    """Examples at which the slow start ends and the power law begins."""
    return np.asarray(D_l, float) ** (1 / beta)
