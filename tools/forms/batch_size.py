"""Batch size: optimal batch by powers of tokens, critical batch, and the steps-against-examples trade of the noise scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("B = k (x/unit)^p sequences; in tokens B * sequence_length")
def batch_sequences_power(x: Any, *, k: Any, p: Any, sequence_length: Any, unit: Any = 1.0) -> dict[str, Any]:
    """A batch fitted in sequences, given in both units (Zhang et al. 2024; Bergsma et al. 2025)."""
    sequences = k * (np.asarray(x, float) / unit) ** p
    return {"sequences": sequences, "tokens": sequences * sequence_length}


@form("x = unit (B/(k sequence_length))^(1/p), B in tokens")
def batch_sequences_power_inverse(B: Any, *, k: Any, p: Any, sequence_length: Any, unit: Any = 1.0) -> Any:
    """What the power of `batch_sequences_power` needs to reach a batch of B tokens."""
    return unit * (np.asarray(B, float) / (k * sequence_length)) ** (1 / p)


@form("bs_tokens = d D^e, bs_sequences = bs_tokens/seq_len, steps = D/bs_tokens")
def batch_tokens_power(D: Any, seq_len: Any = 2048.0, *, d: Any, e: Any) -> dict[str, Any]:
    """A batch fitted in tokens, and the optimizer steps it implies (Li et al. 2025, Step Law)."""
    tokens = d * np.asarray(D, float) ** e
    return {"bs_tokens": tokens, "bs_sequences": tokens / seq_len, "steps": D / tokens}


@form("B2 = B1 (D2/D1)^m")
def batch_from_anchor(B1: Any, D1: Any, D2: Any, *, m: Any) -> Any:
    """A measured batch carried to another token horizon (Bergsma et al. 2025)."""
    return B1 * (np.asarray(D2, float) / D1) ** m


@form("S/S_min = 1 + B_crit/B, E/E_min = 1 + B/B_crit")
def batch_overhead(ratio: Any) -> dict[str, Any]:
    """Steps and examples relative to their minima at B/B_crit (McCandlish et al. 2018, eq. 2.11)."""
    r = np.asarray(ratio, float)
    return {"steps": 1 + 1 / r, "examples": 1 + r}


@form("(S/S_min - 1)(E/E_min - 1) = 1, B/B_crit = 1/(S/S_min - 1)")
def batch_for_steps(steps: Any) -> dict[str, Any]:
    """Examples and batch, relative to E_min and B_crit, that allow a given S/S_min > 1 (McCandlish et al. 2018)."""
    r = 1 / (np.asarray(steps, float) - 1)
    return {"examples": 1 + r, "ratio": r}


@form("S = s_min + e_min/B, E = S B, B_crit = e_min/s_min")
def steps_at_batch(B: Any, *, s_min: Any, e_min: Any) -> dict[str, Any]:
    """Steps and examples to a fixed loss at batch B, with E in the unit of B (McCandlish et al. 2018; Zhang et al. 2024)."""
    S = s_min + e_min / np.asarray(B, float)
    return {"S": S, "E": S * B, "B_crit": e_min / np.asarray(s_min, float)}


@form("CBS = x e_min/s_min + (1 + x) B_0: x more samples than linear scaling from B_0")
def critical_batch_overhead(s_min: Any, e_min: Any, *, overhead: Any, B_0: Any, sequence_length: Any) -> dict[str, Any]:
    """Batch that costs a given share more samples than batch B_0 (Zhang et al. 2024, 20% over 256 sequences)."""
    critical = e_min / np.asarray(s_min, float)
    sequences = overhead * critical + (1 + overhead) * B_0
    return {"sequences": sequences, "tokens": sequences * sequence_length, "ratio": critical}


@form("D(B) = D_min (1 + B/B_crit), steps = D(B)/B")
def tokens_at_batch(D_min: Any, B: Any, B_crit: Any) -> dict[str, Any]:
    """Tokens and steps to the same loss at batch B; all three in tokens (Bergsma et al. 2025)."""
    D = D_min * (1 + np.asarray(B, float) / B_crit)
    return {"D": D, "steps": D / B}


@form("G2 = (B_big |G_big|^2 - B_small |G_small|^2)/(B_big - B_small), "
      "S2 = (|G_small|^2 - |G_big|^2)/(1/B_small - 1/B_big), B_simple = S2/G2")
def noise_scale_estimate(G2_small: Any, G2_big: Any, B_small: Any, B_big: Any) -> dict[str, Any]:
    """Unbiased noise scale from squared gradient norms at two batch sizes (McCandlish et al. 2018, appendix A.1)."""
    small, big = np.asarray(B_small, float), np.asarray(B_big, float)
    G2 = (big * G2_big - small * G2_small) / (big - small)
    S2 = (np.asarray(G2_small, float) - G2_big) / (1 / small - 1 / big)
    return {"G2": G2, "S2": S2, "B_simple": S2 / G2}


@form("B_simple = tr(Sigma)/|G|^2")
def noise_scale(trace: Any, G2: Any) -> Any:
    """Simple noise scale from the trace of the per-example gradient covariance (McCandlish et al. 2018, eq. 2.9)."""
    return np.asarray(trace, float) / G2


@form("y = y_max/(1 + B_noise/B)")
def below_noise_scale(B: Any, B_noise: Any, y_max: Any = 1.0) -> Any:
    """SGD learning rate or loss improvement per step at batch B (McCandlish et al. 2018, eqs. 2.6 and 2.7)."""
    return y_max / (1 + np.asarray(B_noise, float) / B)


@form("y = y_max/(0.5 (sqrt(B_noise/B) + sqrt(B/B_noise)))")
def surge(B: Any, B_noise: Any, y_max: Any = 1.0) -> Any:
    """Adam learning rate that peaks at the noise scale and falls beyond it (Li et al. 2024, surge)."""
    r = np.sqrt(np.asarray(B, float) / B_noise)
    return y_max / (0.5 * (r + 1 / r))


@form("B = k/L^p tokens")
def batch_from_loss(L: Any, *, k: Any, p: Any) -> Any:
    """Batch in tokens from a loss (Kaplan et al. 2020, eq. 1.4; Hu et al. 2024)."""
    return k / np.asarray(L, float) ** p


@form("L = (k/B)^(1/p)")
def loss_for_batch(B: Any, *, k: Any, p: Any) -> Any:
    """Loss at which the batch of `batch_from_loss` reaches B tokens."""
    return (k / np.asarray(B, float)) ** (1 / p)


@form("L = (B_star/B_crit)^alpha_B")
def loss_for_critical_batch(B_crit: Any, *, B_star: Any, alpha_B: Any) -> Any:
    """Loss at which a batch in tokens is the critical one (inverse of Kaplan et al. 2020, eq. 1.4)."""
    return (B_star / np.asarray(B_crit, float)) ** alpha_B


@form("B_noise = pi sum_k H_kk/(2 sum_{i!=j} mu_i mu_j/(sigma_i sigma_j) H_ij)")
def adam_noise_scale(H_diagonal: Any, H_offdiagonal: Any) -> Any:
    """Batch at which Adam's best rate peaks, from the two sums over the Hessian (Li et al. 2024, eq. 18)."""
    return np.pi * np.asarray(H_diagonal, float) / (2 * np.asarray(H_offdiagonal, float))
