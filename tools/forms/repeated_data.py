"""Data-constrained scaling: repeated tokens and excess params lose value exponentially (Muennighoff et al. 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.forms._registry import form


def _saturate(unique: Any, repeats: Any, scale: Any) -> Any:
    return unique * (1 + scale * -np.expm1(-repeats / scale))


@form("Deff = U (1 + Rd (1 - exp(-R/Rd))), U = min(U_D, D), R = D/U - 1; a token of the last epoch is worth exp(-R/Rd) of a fresh one")
def effective_tokens(D: Any, U_D: Any, *, Rd: Any) -> dict[str, Any]:
    """Fresh tokens that D tokens seen over U_D unique ones are worth (Muennighoff et al. 2023, eq. 5)."""
    D = np.asarray(D, float)
    U = np.minimum(np.asarray(U_D, float), D)
    R = D / U - 1
    Deff = _saturate(U, R, Rd)
    return {"D_eff": Deff, "share": Deff / D, "epochs": D / U, "marginal_value": np.exp(-R / Rd), "D_eff_limit": U * (1 + Rd)}


@form("Deff/D = (1 + Rd (1 - exp(-(epochs - 1)/Rd)))/epochs")
def repetition_value(epochs: Any, *, Rd: Any) -> dict[str, Any]:
    """Mean and marginal worth of a token after a number of epochs, against a fresh one (Muennighoff et al. 2023, eq. 5)."""
    epochs = np.maximum(np.asarray(epochs, float), 1.0)
    return {"share": _saturate(1.0, epochs - 1, Rd) / epochs, "marginal_value": np.exp(-(epochs - 1) / Rd)}


@form("epochs at which the mean worth of a token, (1 + Rd (1 - exp(-(epochs - 1)/Rd)))/epochs, has fallen to a share")
def epochs_for_share(share: Any, *, Rd: Any) -> Any:
    """Epochs until repeated data are worth only a share of as many fresh tokens (inverse of `repetition_value`)."""
    from tools.forms._solve import bisect

    share = np.asarray(share, float)
    log_epochs = bisect(lambda x: share - _saturate(1.0, np.expm1(x), Rd) * np.exp(-x), 0 * share * Rd, 0 * share * Rd + np.log(1e9))
    return np.exp(log_epochs)


@form("L = E + A/Neff^alpha + B/Deff^beta; Neff = U_N (1 + Rn (1 - exp(-(N/U_N - 1)/Rn))), U_N = min(N, N optimal for the unique tokens)")
def data_constrained_loss(N: Any, D: Any, U_D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, Rd: Any, Rn: Any) -> dict[str, Any]:
    """Loss when tokens repeat (Muennighoff et al. 2023, eq. 6)."""
    N, D = np.asarray(N, float), np.asarray(D, float)
    U = np.minimum(np.asarray(U_D, float), D)
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    U_N = np.minimum(N, G * (U * G) ** (beta / alpha))
    Neff, Deff = _saturate(U_N, N / U_N - 1, Rn), _saturate(U, D / U - 1, Rd)
    return {"L": E + A / Neff**alpha + B / Deff**beta, "N_eff": Neff, "D_eff": Deff, "epochs": D / U}


@form("minimise the data-constrained loss over N with D = C/(6 N)")
def data_constrained_optimum(C: Any, U_D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, Rd: Any, Rn: Any) -> dict[str, Any]:
    """Params, tokens and epochs of least loss for a budget over limited unique tokens (Muennighoff et al. 2023, section 3)."""
    C, U_D = np.asarray(C, float), np.asarray(U_D, float)
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    fresh = G * (C / 6) ** (beta / (alpha + beta))
    law = {"E": E, "A": A, "B": B, "alpha": alpha, "beta": beta, "Rd": Rd, "Rn": Rn}
    span = np.ones(np.broadcast(fresh, U_D, np.asarray(Rd)).shape)
    N = minimise_log(lambda n: data_constrained_loss(n, C / (6 * n), U_D, **law)["L"], fresh * span * 1e-3, fresh * span * 1e3)
    D = C / (6 * N)
    return {"N": N, "D": D, "tokens_per_param": D / N, **data_constrained_loss(N, D, U_D, **law)}


@form("loss at the data-constrained optimum of C, less that of the unlimited optimum; compute of equal unlimited loss over C")
def data_constrained_penalty(C: Any, U_D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, Rd: Any, Rn: Any) -> dict[str, Any]:
    """Loss above an unlimited corpus at the same compute, and the share of compute an unlimited corpus would need for equal loss."""
    from tools.forms.allocation import chinchilla_compute_for_loss
    from tools.forms.chinchilla import chinchilla_optimum

    base = {"E": E, "A": A, "B": B, "alpha": alpha, "beta": beta}
    L = data_constrained_optimum(C, U_D, **base, Rd=Rd, Rn=Rn)["L"]
    fresh = chinchilla_optimum(C, **base)["L"]
    return {"excess": L - fresh, "L": L, "L_unlimited": fresh, "equivalent_compute_share": chinchilla_compute_for_loss(L, **base)["C"] / C}
