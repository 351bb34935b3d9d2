"""Farseer: a loss surface whose data exponent and prefactor depend on size (Li et al. 2025), and tabulated optima."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.forms._registry import form


@form("L = exp(a3 N^gamma + b3) + exp(a2 N^beta + b2) D^(-exp(a1 N^alpha + b1))")
def farseer_loss(N: Any, D: Any, *, a1: Any, alpha: Any, b1: Any, a2: Any, beta: Any, b2: Any, a3: Any, gamma: Any, b3: Any) -> Any:
    """Loss with interaction of params and tokens (Li et al. 2025, eqs. 3 and 15)."""
    N = np.asarray(N, float)
    exponent = np.exp(a1 * N**alpha + b1)
    return np.exp(a3 * N**gamma + b3) + np.exp(a2 * N**beta + b2 - exponent * np.log(np.asarray(D, float)))


@form("minimise the Farseer loss over D/N from 1 to 1e4 with 6 N D = C; NaN where the least loss lies at an end")
def farseer_optimum(C: Any, *, a1: Any, alpha: Any, b1: Any, a2: Any, beta: Any, b2: Any, a3: Any, gamma: Any, b3: Any) -> dict[str, Any]:
    """Compute-optimal params and tokens on a Farseer surface, by search (it has no closed form)."""
    nd = np.asarray(C, float) / 6
    law = {"a1": a1, "alpha": alpha, "b1": b1, "a2": a2, "beta": beta, "b2": b2, "a3": a3, "gamma": gamma, "b3": b3}
    span = np.ones(np.broadcast(nd, *(np.asarray(v) for v in law.values())).shape)
    ratio = minimise_log(lambda r: farseer_loss(np.sqrt(nd / r), np.sqrt(nd * r), **law), span, span * 1e4)
    ratio = np.where((ratio < 1.01) | (ratio > 9.9e3), np.nan, ratio)
    N, D = np.sqrt(nd / ratio), np.sqrt(nd * ratio)
    return {"N": N, "D": D, "tokens_per_param": ratio, "L": farseer_loss(N, D, **law)}


@form("log-log interpolation between tabulated optima, D = tokens_per_param N")
def tabulated_optimum(C: Any, *, C_table: Any, N_table: Any, ratio_table: Any) -> dict[str, Any]:
    """Optimal params and tokens between the rows of a published table; NaN beyond its ends."""
    log_c, table = np.log(np.asarray(C, float)), np.log(np.asarray(C_table, float))
    N = np.exp(np.interp(log_c, table, np.log(N_table), left=np.nan, right=np.nan))
    ratio = np.exp(np.interp(log_c, table, np.log(ratio_table), left=np.nan, right=np.nan))
    return {"N": N, "D": N * ratio, "tokens_per_param": ratio}
