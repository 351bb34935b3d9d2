"""Gadre et al. 2024: loss of over-trained models by compute and tokens per parameter, and average error from loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6 N D")
def overtrained_loss(N: Any, D: Any, *, E: Any, a: Any, b: Any, eta: Any) -> Any:
    """Loss from params and tokens with one exponent for both (Gadre et al. 2024, eq. 4)."""
    M = np.asarray(D, float) / N
    return overtrained_loss_at(6 * np.asarray(N, float) * D, M, E=E, a=a, b=b, eta=eta)


@form("L = E + (a M^eta + b M^-eta) C^-eta")
def overtrained_loss_at(C: Any, M: Any, *, E: Any, a: Any, b: Any, eta: Any) -> Any:
    """Loss from compute and token multiplier (Gadre et al. 2024, eq. 4)."""
    M = np.asarray(M, float)
    return E + (a * M**eta + b * M**-eta) * np.asarray(C, float) ** -eta


@form("M* = (b/a)^(1/(2 eta))")
def overtrained_best_multiplier(*, a: Any, b: Any, eta: Any) -> Any:
    """Tokens per parameter of least loss; an artefact of the shared exponent, not for allocation."""
    return (b / np.asarray(a, float)) ** (1 / (2 * np.asarray(eta, float)))


@form("Err = eps - k exp(-gamma L)")
def error_from_loss(L: Any, *, eps: Any, k: Any, gamma: Any) -> Any:
    """Average top-1 error from loss (Gadre et al. 2024, eq. 5)."""
    return eps - k * np.exp(-gamma * np.asarray(L, float))


@form("L = -ln((eps - Err)/k)/gamma")
def loss_from_error(Err: Any, *, eps: Any, k: Any, gamma: Any) -> Any:
    """Loss at which an average top-1 error is reached (inverse of `error_from_loss`)."""
    return -np.log((eps - np.asarray(Err, float)) / k) / gamma


@form("Err = eps - k exp(-gamma L(N, D)), L = E + (a M^eta + b M^-eta) C^-eta")
def overtrained_error(N: Any, D: Any, *, E: Any, a: Any, b: Any, eta: Any, eps: Any, k: Any, gamma: Any) -> dict[str, Any]:
    """Loss and average top-1 error from params and tokens (Gadre et al. 2024, section 3)."""
    L = overtrained_loss(N, D, E=E, a=a, b=b, eta=eta)
    return {"Err": error_from_loss(L, eps=eps, k=k, gamma=gamma), "L": L}
