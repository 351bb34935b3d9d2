"""Quantization-aware training: its best share of the tokens by tokens per byte, and the shape of its loss law."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("f = exp(ln S - a/ln S)/S = exp(-a/ln S), S > 1 tokens per byte")
def qat_share(S_total: Any, *, a: Any) -> Any:
    """Best share of all tokens to train quantization-aware; no value at S <= 1 (Dremov et al. 2025, eq. 4)."""
    S = np.asarray(S_total, float)
    return np.where(S > 1, np.exp(-a / np.log(np.where(S > 1, S, 2.0))), np.nan)


@form("S = exp(-a/ln f)")
def qat_tokens_per_byte(f_star: Any, *, a: Any) -> Any:
    """Tokens per byte at which a share 0 < f < 1 is the best one (inverse of Dremov et al. 2025, eq. 4)."""
    return np.exp(-a / np.log(np.asarray(f_star, float)))


@form("S = D/(N B/8), f = exp(-a/ln S), D_qat = f D, D_fp = (1-f) D")
def qat_plan(N: Any, D_total: Any, B: Any, *, a: Any) -> dict[str, Any]:
    """Tokens per byte of N parameters at B bits, the share and tokens of QAT (Dremov et al. 2025)."""
    S = np.asarray(D_total, float) / (np.asarray(N, float) * B / 8)
    share = qat_share(S, a=a)
    return {"f_star": share, "S_total": S, "D_qat": share * D_total, "D_fp": (1 - share) * D_total}


@form("D_total = N B/8 exp(-a/ln f)")
def qat_total_tokens(N: Any, B: Any, f_star: Any, *, a: Any) -> Any:
    """All tokens for which a share of QAT is the best one (inverse of Dremov et al. 2025, eq. 4)."""
    return np.asarray(N, float) * B / 8 * qat_tokens_per_byte(f_star, a=a)


@form("L = alpha + beta/D^gamma + zeta/N^eta + theta 2^(-kappa B) "
      "+ phi 2^(-chi B)/(N^psi S_qat^omega) + lam 2^(-mu B)/(N^nu S_fp^xi S_qat^rho)")
def qat_loss(N: Any, D_fp: Any, D_qat: Any, B: Any, *, alpha: Any, beta: Any, gamma: Any, zeta: Any, eta: Any, theta: Any, kappa: Any,
             phi: Any, chi: Any, psi: Any, omega: Any, lam: Any, mu: Any, nu: Any, xi: Any, rho: Any) -> Any:
    """Loss after full-precision training and QAT (Dremov et al. 2025, eq. 5); its coefficients are to be fitted."""
    bytes_ = np.asarray(N, float) * B / 8
    s_fp, s_qat = D_fp / bytes_, D_qat / bytes_
    pure = theta * 2.0 ** (-kappa * np.asarray(B, float))
    short = phi * 2.0 ** (-chi * np.asarray(B, float)) / (np.asarray(N, float) ** psi * s_qat**omega)
    mixed = lam * 2.0 ** (-mu * np.asarray(B, float)) / (np.asarray(N, float) ** nu * s_fp**xi * s_qat**rho)
    return alpha + beta / np.asarray(D_fp + D_qat, float) ** gamma + zeta / np.asarray(N, float) ** eta + pure + short + mixed


@form("delta = k D^gamma_D log2(G)^gamma_G / N^gamma_N")
def qat_error_by_group(N: Any, D: Any, G: Any, *, k: Any, gamma_N: Any, gamma_D: Any, gamma_G: Any) -> Any:
    """Loss added by 4-bit QAT from scratch at group size G (Chen et al. 2025, eq. 5)."""
    return k * np.asarray(D, float) ** gamma_D * np.log2(np.asarray(G, float)) ** gamma_G / np.asarray(N, float) ** gamma_N


@form("L = A/N^alpha + B/D^beta + E + k D^gamma_D log2(G)^gamma_G / N^gamma_N")
def qat_loss_by_group(N: Any, D: Any, G: Any, *, E: Any, A: Any, alpha: Any, B: Any, beta: Any, k: Any, gamma_N: Any, gamma_D: Any,
                      gamma_G: Any) -> Any:
    """Loss of 4-bit QAT from scratch (Chen et al. 2025, eq. 4)."""
    return E + A / np.asarray(N, float) ** alpha + B / np.asarray(D, float) ** beta + qat_error_by_group(
        N, D, G, k=k, gamma_N=gamma_N, gamma_D=gamma_D, gamma_G=gamma_G)


@form("relative change of delta between (N_from, D_from) and (N_to, D_to)")
def qat_error_change(N_from: Any = 1.0, N_to: Any = 1.0, D_from: Any = 1.0, D_to: Any = 1.0, *, gamma_N: Any,
                     gamma_D: Any) -> dict[str, Any]:
    """How the added loss moves with size and tokens at one group size (Chen et al. 2025, section 4)."""
    ratio = (np.asarray(D_to, float) / D_from) ** gamma_D * (np.asarray(N_from, float) / N_to) ** gamma_N
    return {"ratio": ratio, "rise": ratio - 1, "drop": 1 - ratio}


@form("R = delta_W16A4/delta_W4A16")
def qat_error_quotient(N: Any, D: Any, G: Any, *, k_a: Any, gamma_N_a: Any, gamma_D_a: Any, gamma_G_a: Any, k_w: Any, gamma_N_w: Any,
                       gamma_D_w: Any, gamma_G_w: Any) -> Any:
    """Loss added by 4-bit activations over that by 4-bit weights (Chen et al. 2025, section 4.3)."""
    activations = qat_error_by_group(N, D, G, k=k_a, gamma_N=gamma_N_a, gamma_D=gamma_D_a, gamma_G=gamma_G_a)
    return activations / qat_error_by_group(N, D, G, k=k_w, gamma_N=gamma_N_w, gamma_D=gamma_D_w, gamma_G=gamma_G_w)


@form("delta_W4A4 = factor (delta_W4A16 + delta_W16A4)")
def qat_error_sum(delta_W4A16: Any, delta_W16A4: Any, *, factor: Any) -> Any:
    """Loss added with weights and activations at 4 bits, from either alone (Chen et al. 2025, section 4.3)."""
    return factor * (np.asarray(delta_W4A16, float) + delta_W16A4)
