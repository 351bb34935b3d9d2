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
def mixing_loss_five(academic: Any, prose: Any, dialogue: Any, symbolic: Any, internet: Any, *, c: Any, k: Any, t_academic: Any,
                     t_prose: Any,
                     t_dialogue: Any, t_symbolic: Any, t_internet: Any) -> Any:
    """Loss of one validation domain of the five-domain Pile mix (Ye et al. 2024, eq. 5)."""
    exponent = t_academic * np.asarray(academic, float) + t_prose * np.asarray(prose, float) + t_dialogue * np.asarray(dialogue, float)
    return c + k * np.exp(exponent + t_symbolic * np.asarray(symbolic, float) + t_internet * np.asarray(internet, float))


@form("total = sum_i s_i (c_i + k_i exp(sum_j t_ij r_j))")
def mixing_total(r: Any, s: Any, *, c: Any, k: Any, t: Any) -> Any:
    """Weighted validation loss of a mixture: r and s have the domains on the last axis, t is domains by domains row
    by row (Ye et al. 2024).
    """
    n = np.size(c)
    exponent = np.asarray(r, float) @ np.reshape(t, (n, n)).T
    return (np.asarray(s, float) * (c + np.asarray(k, float) * np.exp(exponent))).sum(axis=-1)


@form("minimise sum_i s_i (c_i + k_i exp(sum_j t_ij r_j)) over shares r >= 0 with sum 1")
def best_mixture(s: Any, *, c: Any, k: Any, t: Any) -> dict[str, Any]:
    """Mixture of least weighted loss by Newton steps with a log barrier: the total is convex in the shares (Ye et al. 2024)."""
    s, c, k = np.asarray(s, float), np.asarray(c, float), np.asarray(k, float)
    s, n = s / s.sum(), np.size(c)
    t = np.reshape(t, (n, n))
    r = np.full(n, 1 / n)
    even = (s * (c + k * np.exp(t @ r))).sum()
    for barrier in 10.0 ** -np.arange(2, 13):
        for _ in range(12):
            r = r + _barrier_step(r, s * k, t, barrier)
    return {"r": r, "total": (s * (c + k * np.exp(t @ r))).sum(), "total_even": even}


def _barrier_step(r: Any, weight: Any, t: Any, barrier: float) -> Any:
    """Newton step of sum(weight exp(t r)) - barrier sum(log r) that keeps sum(r), cut short of the boundary."""
    n, load = r.size, weight * np.exp(t @ r)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = t.T @ (load[:, None] * t) + np.diag(barrier / r**2)
    system[n, n] = 0.0
    step = np.linalg.solve(system, np.append(barrier / r - t.T @ load, 0.0))[:n]
    return step * min(1.0, 0.9 / max(float((-step / r).max()), 1e-12))


@form("R = a (T/0.2e9)^s + b")
def critical_mixture_ratio(T: Any, *, a: Any, s: Any, b: Any, unit: float = 0.2e9) -> Any:
    """Largest domain share of continued pretraining that keeps general loss within tolerance (Gu et al. 2024, eq. 8); T in tokens."""
    return a * (np.asarray(T, float) / unit) ** s + b


@form("T = 0.2e9 ((R - b)/a)^(1/s)")
def tokens_for_mixture_ratio(R: Any, *, a: Any, s: Any, b: Any, unit: float = 0.2e9) -> Any:
    """Tokens from which a domain share is safe (inverse of `critical_mixture_ratio`); NaN where it never is."""
    rest = (np.asarray(R, float) - b) / a
    return unit * np.where(rest > 0, rest, np.nan) ** (1 / np.asarray(s, float))


@form("unknowns per validation domain = domains + 1 (c, k and as many differences of t as shares are free)")
def mixing_runs(domains: Any, *, runs: Any) -> dict[str, Any]:
    """Coefficients a mixing law has per validation domain, and the small runs of the published recipe (Ye et al. 2024)."""
    domains = np.asarray(domains, float)
    return {"runs": runs + 0 * domains, "coefficients_per_domain": domains + 1, "least_runs": domains + 2}
