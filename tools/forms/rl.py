"""Reinforcement learning: saturating curves of pass rate, updates-to-data ratios and reward-model overoptimisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("f = 1/(1 + (C_mid/C)^B), R = R0 + (A - R0) f")
def saturating_pass_rate(C: Any, R0: Any, *, A: Any, B: Any, C_mid: Any) -> dict[str, Any]:
    """Pass rate and share of the attainable gain after C accelerator-hours of RL (Khatri et al. 2025)."""
    share = 1 / (1 + (C_mid / np.asarray(C, float)) ** B)
    return {"R": R0 + (A - R0) * share, "gain_fraction": share}


@form("f = 1/(1 + (C_mid/C)^B)")
def gain_fraction(C: Any, *, B: Any, C_mid: Any) -> Any:
    """Share of the attainable gain reached after C accelerator-hours."""
    return 1 / (1 + (C_mid / np.asarray(C, float)) ** B)


@form("C = C_mid (f/(1-f))^(1/B)")
def hours_for_gain(f: Any, *, B: Any, C_mid: Any) -> Any:
    """Accelerator-hours for a share of the attainable gain."""
    f = np.asarray(f, float)
    return C_mid * (f / (1 - f)) ** (1 / B)


@form("C = C_mid ((R - R0)/(A - R))^(1/B)")
def hours_for_pass_rate(R: Any, R0: Any, *, A: Any, B: Any, C_mid: Any) -> Any:
    """Accelerator-hours for a pass rate; infinite at or above the asymptote."""
    R = np.asarray(R, float)
    below = R < A
    return np.where(below, C_mid * (np.maximum(R - R0, 0.0) / np.where(below, A - R, 1.0)) ** (1 / B), np.inf)


@form("gain = after - before")
def recipe_gain(*, after: Any, before: Any) -> Any:
    """What one change of the recipe adds to the asymptote."""
    return np.asarray(after, float) - before


@form("y = 10^(log10_y0 + slope log10(sigma))")
def utd_power(sigma: Any, *, log10_y0: Any, slope: Any) -> Any:
    """A hyperparameter against updates per environment step (Rybkin et al. 2025)."""
    return 10 ** (log10_y0 + slope * np.log10(np.asarray(sigma, float)))


@form("D = m (c + (sigma/b)^-a)")
def utd_data(sigma: Any, *, a: Any, b: Any, c: Any, m: Any = 1.0) -> Any:
    """Environment steps to the target return against updates per step; without m, relative to the median."""
    return m * (c + (np.asarray(sigma, float) / b) ** -np.asarray(a, float))


@form("C = 10 sigma D B N_critic")
def utd_compute(sigma: Any, D: Any, B: Any, *, N_critic: Any) -> Any:
    """FLOP to the target return."""
    return 10 * np.asarray(sigma, float) * D * B * N_critic


@form("sigma* = coef F^exp, F = C + delta D")
def utd_optimum(F: Any, *, coef: Any, exp: Any) -> Any:
    """Best updates per step for a joint budget of compute and data."""
    return coef * np.asarray(F, float) ** exp


@form("D_min = m c, beta = b c^(-1/a): the same law as D_min (1 + (beta/sigma)^a)")
def utd_paper_constants(*, a: Any, b: Any, c: Any, m: Any) -> dict[str, Any]:
    """Constants in the paper's notation from those of the released fit."""
    return {"D_min": np.asarray(m, float) * c, "beta": b * np.asarray(c, float) ** (-1 / np.asarray(a, float))}


@form("R = d (alpha - beta d), d* = alpha/(2 beta), R* = alpha^2/(4 beta)")
def best_of_n_overoptimisation(d: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Gold reward of best-of-n at a distance d = sqrt(KL), with the optimum (Gao et al. 2022)."""
    d, alpha, beta = (np.asarray(x, float) for x in (d, alpha, beta))
    return {"R_gold": d * (alpha - beta * d), "d_opt": alpha / (2 * beta), "R_opt": alpha**2 / (4 * beta)}


@form("R = d (alpha - beta log d + beta log k), d* = k exp(alpha/beta - 1), R* = beta d*")
def rl_overoptimisation(d: Any, alpha: Any, beta: Any, k: Any = 1.0) -> dict[str, Any]:
    """Gold reward of RL at a distance d = sqrt(KL) after k equal iterations, with the optimum (Gao et al. 2022)."""
    d, alpha, beta = (np.asarray(x, float) for x in (d, alpha, beta))
    best = np.asarray(k, float) * np.exp(alpha / beta - 1)
    return {"R_gold": d * (alpha - beta * np.log(d) + beta * np.log(k)), "d_opt": best, "R_opt": beta * best}


@form("KL = log n - (n-1)/n")
def best_of_n_kl(n: Any) -> dict[str, Any]:
    """Divergence of best-of-n from the policy, in nats (an upper bound; exact without ties), and its square root d."""
    n = np.asarray(n, float)
    kl = np.log(n) - (n - 1) / n
    return {"KL": kl, "d": np.sqrt(kl)}
