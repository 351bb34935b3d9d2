"""Data mixtures: domain loss by shares, the best mixture, and the critical share in continued pretraining."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = c + k exp(t r)")
def mixing_loss(r: Any, *, c: Any, k: Any, t: Any) -> Any:
    """Loss of a domain by its own share of a two-domain mix (Ye et al. 2024, eq. 4)."""
    return c + k * np.exp(t * np.asarray(r, float))


@form("r = ln((L - c)/k)/t")
def share_for_loss(L: Any, *, c: Any, k: Any, t: Any) -> Any:
    """Share at which a domain reaches a loss (inverse of `mixing_loss`); NaN at or below the floor."""
    rest = (np.asarray(L, float) - c) / k
    return np.log(np.where(rest > 0, rest, np.nan)) / t


@form("L = c + k exp(sum_j t_j r_j) over academic, prose, dialogue, symbolic, internet")
def mixing_loss_five(academic: Any, prose: Any, dialogue: Any, symbolic: Any, internet: Any, *, c: Any, k: Any, t_academic: Any, t_prose: Any,
                     t_dialogue: Any, t_symbolic: Any, t_internet: Any) -> Any:
    """Loss of one validation domain of the five-domain Pile mix (Ye et al. 2024, eq. 5)."""
    exponent = t_academic * np.asarray(academic, float) + t_prose * np.asarray(prose, float) + t_dialogue * np.asarray(dialogue, float)
    return c + k * np.exp(exponent + t_symbolic * np.asarray(symbolic, float) + t_internet * np.asarray(internet, float))


@form("total = sum_i s_i (c_i + k_i exp(sum_j t_ij r_j))")
def mixing_total(r: Any, s: Any, *, c: Any, k: Any, t: Any) -> Any:
    """Weighted validation loss of a mixture: r and s have the domains on the last axis, t is domains by domains row by row (Ye et al. 2024)."""
    n = np.size(c)
    exponent = np.asarray(r, float) @ np.reshape(t, (n, n)).T
    return (np.asarray(s, float) * (c + np.asarray(k, float) * np.exp(exponent))).sum(axis=-1)


@form("minimise the weighted total over shares on the simplex (exponentiated gradient)")
def best_mixture(s: Any, *, c: Any, k: Any, t: Any) -> dict[str, Any]:
    """Mixture of least weighted loss; the total is convex in the shares, so descent from the even mix finds it."""
    from scipy.optimize import minimize

    s, c, k = np.asarray(s, float), np.asarray(c, float), np.asarray(k, float)
    s = s / s.sum()
    t = np.reshape(t, (np.size(c), np.size(c)))

    def value(r: Any) -> Any:
        return float((s * (c + k * np.exp(t @ r))).sum())

    def slope(r: Any) -> Any:
        return t.T @ (s * k * np.exp(t @ r))

    even = np.full(np.size(c), 1 / np.size(c))
    found = minimize(value, even, jac=slope, method="SLSQP", bounds=[(0.0, 1.0)] * np.size(c), options={"maxiter": 500, "ftol": 1e-14},
                     constraints=[{"type": "eq", "fun": lambda r: r.sum() - 1, "jac": np.ones_like}])
    return {"r": found.x, "total": found.fun, "total_even": value(even)}


@form("R = a (T/0.2e9)^s + b")
def critical_mixture_ratio(T: Any, *, a: Any, s: Any, b: Any, unit: float = 0.2e9) -> Any:
    """Largest domain share of continued pretraining that keeps general loss within tolerance (Gu et al. 2024, eq. 8); T in tokens."""
    return a * (np.asarray(T, float) / unit) ** s + b


@form("T = 0.2e9 ((R - b)/a)^(1/s)")
def tokens_for_mixture_ratio(R: Any, *, a: Any, s: Any, b: Any, unit: float = 0.2e9) -> Any:
    """Tokens from which a domain share is safe (inverse of `critical_mixture_ratio`); NaN where it never is."""
    rest = (np.asarray(R, float) - b) / a
    return unit * np.where(rest > 0, rest, np.nan) ** (1 / np.asarray(s, float))
