"""Kaplan et al. 2020: losses without a floor, critical batch size, and compute-efficient training. Compute in PF-days inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form

PF_DAY_FLOPS = 8.64e19  # 1e15 FLOP/s for a day


@form("L = (C_c/C)^p, C in PF-days of 8.64e19 FLOP")
def loss_from_flops(C: Any, *, C_c: Any, p: Any) -> Any:
    """Loss from compute given in FLOP, the scale C_c in PF-days (Kaplan et al. 2020, eqs. 1.3 and 6.4)."""
    return (C_c * PF_DAY_FLOPS / np.asarray(C, float)) ** p


@form("C = C_c/L^(1/p), in FLOP")
def flops_from_loss(L: Any, *, C_c: Any, p: Any) -> Any:
    """Compute in FLOP that reaches a loss (inverse of `loss_from_flops`)."""
    return C_c * PF_DAY_FLOPS / np.asarray(L, float) ** (1 / np.asarray(p, float))


@form("L = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D")
def kaplan_loss(N: Any, D: Any, *, N_c: Any, D_c: Any, alpha_N: Any, alpha_D: Any) -> Any:
    """Early-stopped test loss from non-embedding params and data-set tokens (Kaplan et al. 2020, eq. 1.5)."""
    return ((N_c / np.asarray(N, float)) ** (alpha_N / alpha_D) + D_c / np.asarray(D, float)) ** alpha_D


@form("delta = (1 + (N/N_c)^(alpha_N/alpha_D) D_c/D)^alpha_D - 1")
def kaplan_overfitting(N: Any, D: Any, *, N_c: Any, D_c: Any, alpha_N: Any, alpha_D: Any) -> Any:
    """Relative rise of the loss over unlimited data (Kaplan et al. 2020, eq. 4.3)."""
    return (1 + (np.asarray(N, float) / N_c) ** (alpha_N / alpha_D) * D_c / D) ** alpha_D - 1


@form("S_stop = S_c/(L(N, D) - L(N, inf))^(1/alpha_S)")
def kaplan_early_stop(N: Any, D: Any, *, N_c: Any, D_c: Any, alpha_N: Any, alpha_D: Any, S_c: Any, alpha_S: Any) -> Any:
    """Least number of steps before early stopping in the data-limited regime (Kaplan et al. 2020, eq. 5.7)."""
    rise = kaplan_loss(N, D, N_c=N_c, D_c=D_c, alpha_N=alpha_N, alpha_D=alpha_D) - (N_c / np.asarray(N, float)) ** alpha_N
    return S_c / rise ** (1 / np.asarray(alpha_S, float))


@form("L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S")
def kaplan_loss_steps(N: Any, S_min: Any, *, N_c: Any, alpha_N: Any, S_c: Any, alpha_S: Any) -> Any:
    """Loss after S_min steps at a batch far above critical (Kaplan et al. 2020, eq. 1.6)."""
    return (N_c / np.asarray(N, float)) ** alpha_N + (S_c / np.asarray(S_min, float)) ** alpha_S


@form("B_crit = B_star/L^(1/alpha_B)")
def kaplan_critical_batch(L: Any, *, B_star: Any, alpha_B: Any) -> Any:
    """Critical batch size in tokens at a loss (Kaplan et al. 2020, eq. 1.4)."""
    return B_star / np.asarray(L, float) ** (1 / np.asarray(alpha_B, float))


@form("S_min = S/(1 + B_crit/B), C_min = C/(1 + B/B_crit)")
def kaplan_batch_adjustment(S: Any, C: Any, B: Any, L: Any, *, B_star: Any, alpha_B: Any) -> dict[str, Any]:
    """Steps at infinite batch and compute at vanishing batch for a run of S steps and C FLOP at batch B (eqs. 5.4, 5.5)."""
    crit = kaplan_critical_batch(L, B_star=B_star, alpha_B=alpha_B)
    return {"B_crit": crit, "S_min": S / (1 + crit / B), "C_min": C / (1 + B / crit)}


@form("N = N_e c^p_N, B = B_e c^p_B, S = S_e c^p_S, D = D_e c^p_D, c = C in PF-days; L = (C_c/c)^alpha_C")
def kaplan_optimum(C: Any, *, N_e: Any, p_N: Any, B_e: Any, p_B: Any, S_e: Any, p_S: Any, D_e: Any, p_D: Any, Cc_min: Any, alpha_Cmin: Any,
                   flops_per_unit: float = PF_DAY_FLOPS) -> dict[str, Any]:
    """Compute-efficient non-embedding params, batch, serial steps and tokens at C_min (Kaplan et al. 2020, Table 6 and eq. 6.4)."""
    c = np.asarray(C, float) / flops_per_unit
    return {"N": N_e * c**p_N, "B": B_e * c**p_B, "S": S_e * c**p_S, "D": D_e * c**p_D, "L": (Cc_min / c) ** alpha_Cmin, "C_pfdays": c}


@form("C_min = (N/N_e)^(1/p_N) PF-days, D = D_e c^p_D")
def kaplan_optimum_for_params(N: Any, *, N_e: Any, p_N: Any, D_e: Any, p_D: Any, Cc_min: Any, alpha_Cmin: Any) -> dict[str, Any]:
    """Compute (FLOP) and tokens for which a non-embedding size is compute-efficient (inverse of Table 6)."""
    c = (np.asarray(N, float) / N_e) ** (1 / np.asarray(p_N, float))
    return {"C": c * PF_DAY_FLOPS, "D": D_e * c**p_D, "L": (Cc_min / c) ** alpha_Cmin}


@form("N ratio ((1+f)/(1+f'))^(1/alpha_N), steps ratio ((1+1/f)/(1+1/f'))^(1/alpha_S), compute ratio their product")
def kaplan_stopping(f_efficient: Any, f_converged: Any, *, alpha_N: Any, alpha_S: Any) -> dict[str, Any]:
    """What stopping a larger model short of convergence buys, f = excess over the converged loss (Kaplan et al. 2020, app. B.3)."""
    N_ratio = ((1 + f_efficient) / (1 + np.asarray(f_converged, float))) ** (1 / np.asarray(alpha_N, float))
    S_ratio = ((1 + 1 / np.asarray(f_efficient, float)) / (1 + 1 / np.asarray(f_converged, float))) ** (1 / np.asarray(alpha_S, float))
    return {"N_ratio": N_ratio, "steps_ratio": S_ratio, "steps_reduction": 1 / S_ratio, "compute_ratio": N_ratio * S_ratio}


@form("alpha_Cmin = 1/(1/alpha_S + 1/alpha_B + 1/alpha_N), f* = alpha_N/alpha_S")
def kaplan_exponents(*, alpha_S: Any, alpha_B: Any, alpha_N: Any) -> dict[str, Any]:
    """Predicted exponent of the loss in compute and the best stopping excess (Kaplan et al. 2020, eq. 6.5 and app. B)."""
    return {"alpha_Cmin": 1 / (1 / alpha_S + 1 / alpha_B + 1 / alpha_N), "f_optimal": alpha_N / np.asarray(alpha_S, float)}


@form("N = 12 n_layer d_model^2, forward FLOPs per token 2 N + 2 n_layer n_ctx d_model, training three times that")
def kaplan_shape(n_layer: Any, d_model: Any, n_ctx: Any) -> dict[str, Any]:
    """Non-embedding params and FLOPs per token of a standard shape, d_ff = 4 d_model (Kaplan et al. 2020, Table 1)."""
    N = 12 * np.asarray(n_layer, float) * d_model**2
    forward = 2 * N + 2 * n_layer * np.asarray(n_ctx, float) * d_model
    return {"N": N, "forward_flops_per_token": forward, "train_flops_per_token": 3 * forward}


@form("L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S with S_min = S/(1 + B_star/(L^(1/alpha_B) B)), solved for L")
def kaplan_trajectory(N: Any, S: Any, B: Any, *, N_c: Any, alpha_N: Any, S_c: Any, alpha_S: Any, B_star: Any, alpha_B: Any) -> dict[str,
                      Any]:
    """Loss after S steps at batch B tokens (Su et al. 2024, sections 3-5): the implicit equation has one root, found by bisection."""
    from tools.forms._solve import bisect

    floor = (N_c / np.asarray(N, float)) ** alpha_N

    def excess(log_l: Any) -> Any:
        L = np.exp(log_l)
        s_min = S / (1 + kaplan_critical_batch(L, B_star=B_star, alpha_B=alpha_B) / B)
        return L - floor - (S_c / s_min) ** alpha_S

    low = np.log(floor * np.ones(np.broadcast(floor, S, B, S_c, alpha_S, B_star, alpha_B).shape))
    L = np.exp(bisect(excess, low, low + np.log(1e6)))
    crit = kaplan_critical_batch(L, B_star=B_star, alpha_B=alpha_B)
    return {"L": L, "B_crit": crit, "S_min": S / (1 + crit / B), "E_min": S * B / (1 + B / crit)}
