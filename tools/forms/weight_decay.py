"""AdamW weight decay as an averaging time: tau = B/(lr wd D), and how momenta and averages move with the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("tau = B/(lr wd D)")
def adamw_timescale(B: Any, lr: Any, wd: Any, D: Any) -> Any:
    """Averaging time of AdamW weights as a share of the run; B and D in one unit (Wang and Aitchison 2024)."""
    return np.asarray(B, float) / (np.asarray(lr, float) * wd * D)


@form("tau_opt = c_tau TPP^m_tau")
def timescale_of_ratio(TPP: Any, *, c_tau: Any, m_tau: Any) -> Any:
    """Best averaging time at D/N tokens per parameter (Bergsma et al. 2025, eq. 3)."""
    return c_tau * np.asarray(TPP, float) ** m_tau


@form("TPP = D/N, tau_opt = c_tau TPP^m_tau, wd = B/(lr D tau_opt)")
def weight_decay_of_ratio(N: Any, D: Any, B_tokens: Any, lr: Any, *, c_tau: Any, m_tau: Any) -> dict[str, Any]:
    """AdamW weight decay for a size, horizon, batch (tokens) and peak rate (Bergsma et al. 2025)."""
    TPP = np.asarray(D, float) / N
    tau = c_tau * TPP**m_tau
    return {"wd_opt": B_tokens / (np.asarray(lr, float) * D * tau), "tau_opt": tau, "TPP": TPP}


@form("wd2 = wd1 (lr1/lr2)(B2/B1)(D1/D2)")
def weight_decay_transfer(lr_ratio: Any = 1.0, B_ratio: Any = 1.0, D_ratio: Any = 1.0, wd1: Any = 1.0) -> dict[str, Any]:
    """Weight decay at constant averaging time; ratios are new over old (Wang and Aitchison 2024)."""
    ratio = np.asarray(B_ratio, float) / (np.asarray(lr_ratio, float) * D_ratio)
    return {"wd_ratio": ratio, "wd2": wd1 * ratio}


@form("matrix-like: lr x r^p_lr, wd x r^p_wd, top singular value ~ sqrt(lr/wd) d^p_sv; r = d2/d1")
def width_weight_decay(d_ratio: Any, lr1: Any = 1.0, wd1: Any = 1.0, *, matrix_lr: Any, matrix_wd: Any, sv_width: Any) -> dict[str, Any]:
    """Rate and weight decay of matrices at another width, and what happens to the top singular value (Fan et al. 2025)."""
    r = np.asarray(d_ratio, float)
    lr, wd = r**matrix_lr, r**matrix_wd
    return {"lr_ratio": lr, "wd_ratio": wd, "lr2": lr1 * lr, "wd2": wd1 * wd, "singular_value_ratio": np.sqrt(lr / wd) * r**sv_width}


@form("rho_new = rho^kappa, half-life = ln(1/2)/ln(rho) updates, kappa = B_new/B_old")
def average_rebatch(rho: Any, kappa: Any = 1.0) -> dict[str, Any]:
    """Momentum of an average of weights, or beta2, at another batch (Busbridge et al. 2023, definition 1.2)."""
    new = np.asarray(rho, float) ** kappa
    return {"rho_new": new, "half_life_updates": np.log(0.5) / np.log(new)}


@form("lr sqrt(kappa), 1 - kappa (1 - beta), eps/sqrt(kappa)")
def adam_rebatch(kappa: Any, lr: Any = 1.0, beta1: Any = 0.9, beta2: Any = 0.999, eps: Any = 1e-8, *, p: Any = 0.5) -> dict[str, Any]:
    """Adam's settings at kappa times the batch (square-root rule of Malladi et al. 2022)."""
    k = np.asarray(kappa, float)
    return {"lr_new": lr * k**p, "beta1_new": 1 - k * (1 - beta1), "beta2_new": 1 - k * (1 - beta2), "eps_new": eps / k**p}


@form("top singular value ~ sqrt(lr/wd) d^p_sv")
def singular_value_change(lr_ratio: Any, wd_ratio: Any, d_ratio: Any, *, sv_width: Any) -> Any:
    """Factor on the steady-state top singular value of a matrix under AdamW (Fan et al. 2025)."""
    return np.sqrt(np.asarray(lr_ratio, float) / wd_ratio) * np.asarray(d_ratio, float) ** sv_width
