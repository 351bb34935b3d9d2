"""Video diffusion transformers: hyperparameters and optimal size (Yin et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("B2/B1 = rT^bT rN^bN, lr2/lr1 = rT^eT rN^eN")
def hyperparameter_ratio(T_ratio: Any, N_ratio: Any, *, bT: Any, bN: Any, eT: Any, eN: Any) -> dict[str, Any]:
    """Change of batch and learning rate from a tuned anchor, for ratios of tokens and params (eqs. 10 and 13)."""
    rT, rN = np.asarray(T_ratio, float), np.asarray(N_ratio, float)
    return {"B_ratio": rT**bT * rN**bN, "lr_ratio": rT**eT * rN**eN}


@form("B = kB T^bT N^bN, lr = kE T^eT N^eN")
def hyperparameters_absolute(T: Any, N: Any, *, kB: Any, bT: Any, bN: Any, kE: Any, eT: Any, eN: Any) -> dict[str, Any]:
    """Batch and learning rate from tokens and params in the units of the prefactors (eqs. 10 and 13)."""
    T, N = np.asarray(T, float), np.asarray(N, float)
    return {"B_opt": kB * T**bT * N**bN, "lr_opt": kE * T**eT * N**eN}


@form("B2 = B1 (T2/T1)^bT (N2/N1)^bN, lr2 = lr1 (T2/T1)^eT (N2/N1)^eN")
def hyperparameters_from_anchor(B1: Any, lr1: Any, T1: Any, N1: Any, T2: Any, N2: Any, *,
                                bT: Any, bN: Any, eT: Any, eN: Any) -> dict[str, Any]:
    """Batch and learning rate of a run from those of a smaller tuned one; units cancel."""
    ratio = hyperparameter_ratio(np.asarray(T2, float) / T1, np.asarray(N2, float) / N1, bT=bT, bN=bN, eT=eT, eN=eN)
    return {"B2": B1 * ratio["B_ratio"], "lr2": lr1 * ratio["lr_ratio"]}


@form("N = k C^a")
def size_frontier(C: Any, *, k: Any, a: Any) -> Any:
    """Optimal size from compute."""
    return k * np.asarray(C, float) ** a


@form("C = (N/k)^(1/a)")
def size_frontier_inverse(N: Any, *, k: Any, a: Any) -> Any:
    """Compute for which a size is optimal."""
    return (np.asarray(N, float) / k) ** (1 / a)


@form("N2/N1 = (C2/C1)^a")
def size_frontier_ratio(C_ratio: Any, *, a: Any) -> Any:
    """Growth of the optimal size for a ratio of computes."""
    return np.asarray(C_ratio, float) ** a


@form("reduction = 1 - N_tuned/N_fixed")
def relative_reduction(N_fixed_hp: Any, N_tuned_hp: Any) -> Any:
    """Share by which a size shrinks."""
    return 1 - np.asarray(N_tuned_hp, float) / N_fixed_hp


@form("FLOP per token = (3/4) N (7 + n_ctx/d)")
def video_flops_per_token(N: Any, n_ctx: Any, d: Any) -> Any:
    """Training FLOP per token in the accounting of Yin et al. 2024, attention over n_ctx tokens at width d."""
    return 0.75 * np.asarray(N, float) * (7 + np.asarray(n_ctx, float) / d)
