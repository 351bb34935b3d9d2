"""Weight sparsity: loss of pruned models, their dense worth, the optimal sparsity, and average params over a pruning schedule."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = (a_S (1-S)^b_S + c_S) N^-b_N + (a_D/D)^b_D + c")
def sparse_loss(S: Any, N: Any, D: Any, *, a_S: Any, b_S: Any, c_S: Any, b_N: Any, a_D: Any, b_D: Any, c: Any) -> Any:
    """Loss by sparsity, non-zero params and data (Frantar et al. 2023, eq. 1)."""
    density = 1 - np.asarray(S, float)
    return (a_S * density**b_S + c_S) * np.asarray(N, float) ** -b_N + (a_D / np.asarray(D, float)) ** b_D + c


@form("m = ((a_S + c_S)/(a_S (1-S)^b_S + c_S))^(1/b_N)")
def sparse_dense_multiple(S: Any, *, a_S: Any, b_S: Any, c_S: Any, b_N: Any) -> dict[str, Any]:
    """Dense params of equal loss per non-zero param, and its limit at full sparsity (Frantar et al. 2023, section 4.2)."""
    density = 1 - np.asarray(S, float)
    return {"multiplier": ((a_S + c_S) / (a_S * density**b_S + c_S)) ** (1 / np.asarray(b_N, float)),
            "dense_fraction": density * ((a_S + c_S) / (a_S * density**b_S + c_S)) ** (1 / np.asarray(b_N, float))}


@form("S_opt = max(0, 1 - exp((ln(b_D/(a_S b_S)) + b_D ln a_D + b_N ln N)/(b_D+b_S)) (C/(6 N))^(-b_D/(b_D+b_S)))")
def optimal_sparsity(N: Any, C: Any, *, a_S: Any, b_S: Any, c_S: Any, b_N: Any, a_D: Any, b_D: Any, c: Any) -> dict[str, Any]:
    """Sparsity of least loss for a non-zero size and budget, training at the dense parent's cost, D = C (1-S)/(6 N) (section 4.3)."""
    N, C = np.asarray(N, float), np.asarray(C, float)
    scale = np.exp((np.log(b_D / (a_S * b_S)) + b_D * np.log(a_D) + b_N * np.log(N)) / (b_D + b_S))
    S = np.maximum(0.0, 1 - scale * (C / (6 * N)) ** (-b_D / (b_D + b_S)))
    D = C * (1 - S) / (6 * N)
    return {"S": S, "D": D, "N_dense_parent": N / (1 - S), "L": sparse_loss(S, N, D, a_S=a_S, b_S=b_S, c_S=c_S, b_N=b_N, a_D=a_D,
            b_D=b_D, c=c)}


@form("C at which S_opt(N, C) = S")
def compute_for_sparsity(S: Any, N: Any, *, a_S: Any, b_S: Any, b_N: Any, a_D: Any, b_D: Any) -> dict[str, Any]:
    """Budget at which a sparsity is optimal for a non-zero size, and its tokens (inverse of `optimal_sparsity`)."""
    N, density = np.asarray(N, float), 1 - np.asarray(S, float)
    scale = np.exp((np.log(b_D / (a_S * b_S)) + b_D * np.log(a_D) + b_N * np.log(N)) / (b_D + b_S))
    C = 6 * N * (density / scale) ** (-(b_D + b_S) / b_D)
    return {"C": C, "D": C * density / (6 * N)}


@form("N_avg = N (start + (end - start)(1 + density)/2 + (1 - end) density), shares of the tokens")
def average_params(N_dense: Any, density: Any, start: Any, end: Any) -> dict[str, Any]:
    """Params averaged over pre-training: dense until `start`, linear pruning to `density` at `end`, then constant (Jin et al. 2025)."""
    N, start, end = np.asarray(N_dense, float), np.asarray(start, float), np.asarray(end, float)
    share = start + (end - start) * (1 + np.asarray(density, float)) / 2 + (1 - end) * density
    return {"N_avg": N * share, "N_final": N * density, "ratio": share / density}


@form("start = 0.25 C, end = 0.75 C")
def pruning_window(C: Any, *, start: float = 0.25, end: float = 0.75) -> dict[str, Any]:
    """Compute at which to start and finish pruning (Jin et al. 2025)."""
    C = np.asarray(C, float)
    return {"start_flops": start * C, "end_flops": end * C, "start_fraction": start + 0 * C, "end_fraction": end + 0 * C}
