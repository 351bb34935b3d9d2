"""Gemstones: two-term laws with logarithmic coefficients and a law that sees width and depth (McLeish et al. 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.forms._registry import form
from tools.forms.chinchilla import chinchilla_loss, chinchilla_optimum


def _surface(log_E: Any, cN: Any, xN: Any, cD: Any, xD: Any) -> dict[str, Any]:
    return {"E": np.exp(log_E), "A": np.exp(cN), "alpha": xN, "B": np.exp(cD), "beta": xD}


@form("L = exp(log_E) + exp(cN)/N^xN + exp(cD)/D^xD")
def log_chinchilla_loss(N: Any, D: Any, *, log_E: Any, cN: Any, xN: Any, cD: Any, xD: Any) -> Any:
    """The Chinchilla surface by logarithms of its coefficients (McLeish et al. 2025, section 4)."""
    return chinchilla_loss(np.asarray(N, float), np.asarray(D, float), **_surface(log_E, cN, xN, cD, xD))


@form("N, D of least loss under C = 6 N D; a = xD/(xN + xD)")
def log_chinchilla_optimum(C: Any, *, log_E: Any, cN: Any, xN: Any, cD: Any, xD: Any) -> dict[str, Any]:
    """Optimum of the two-term law, with the allocation exponent (McLeish et al. 2025, section 4)."""
    return {**chinchilla_optimum(C, **_surface(log_E, cN, xN, cD, xD)), "a": xD / np.asarray(xN + xD, float)}


@form("a = xD/(xN + xD)")
def log_chinchilla_exponent(*, xN: Any, xD: Any) -> Any:
    """Allocation exponent of a two-term law."""
    return xD / np.asarray(xN + xD, float)


@form("N = exp(i_N) C^s_N, D = exp(i_D) C^s_D")
def log_power_optimum(C: Any, *, i_N: Any, s_N: Any, i_D: Any, s_D: Any) -> dict[str, Any]:
    """Optimal params and tokens by two straight lines in logarithms (approach 1)."""
    log_c = np.log(np.asarray(C, float))
    N, D = np.exp(i_N + s_N * log_c), np.exp(i_D + s_D * log_c)
    return {"N": N, "D": D, "tokens_per_param": D / N}


@form("L = exp(log_E) + exp(cw)/w^xw + exp(cd)/d^xd + exp(cN)/N^xN + exp(cD)/D^xD")
def width_depth_loss(w: Any, d: Any, N: Any, D: Any, *, log_E: Any, cw: Any, xw: Any, cd: Any, xd: Any, cN: Any, xN: Any, cD: Any,
                     xD: Any) -> Any:
    """Loss from width, depth, params and tokens (McLeish et al. 2025, section 4.2)."""
    shape = np.exp(cw) / np.asarray(w, float) ** xw + np.exp(cd) / np.asarray(d, float) ** xd
    return log_chinchilla_loss(N, D, log_E=log_E, cN=cN, xN=xN, cD=cD, xD=xD) + shape


@form("minimise the width-depth loss over w with d = (N - table w)/(body w^2)")
def best_width_depth(N: Any, D: Any, *, log_E: Any, cw: Any, xw: Any, cd: Any, xd: Any, cN: Any, xN: Any, cD: Any, xD: Any, body: float,
                     table: float) -> dict[str, Any]:
    """Width and depth of least loss at a number of params, for blocks of body w^2 and tables of table w params."""
    N = np.asarray(N, float)

    def depth(w: Any) -> Any:
        d = (N - table * w) / (body * w**2)
        return np.where(d >= 1, d, np.nan)

    def loss(w: Any) -> Any:
        return width_depth_loss(w, depth(w), N, D, log_E=log_E, cw=cw, xw=xw, cd=cd, xd=xd, cN=cN, xN=xN, cD=cD, xD=xD)

    span = np.ones(np.broadcast(N, np.asarray(D), np.asarray(cw)).shape)
    w = minimise_log(loss, 128.0 * span, 16384.0 * span)
    return {"w": w, "d": depth(w), "aspect": w / depth(w), "L": loss(w)}
