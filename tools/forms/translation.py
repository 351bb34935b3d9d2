"""Neural machine translation: encoder and decoder sizes, and language pairs that share one model."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = beta Ne^-pe Nd^-pd + L_inf")
def encoder_decoder_loss(Ne: Any, Nd: Any, *, beta: Any, pe: Any, pd: Any, L_inf: Any) -> Any:
    """Test cross-entropy from encoder and decoder params (Ghorbani et al. 2021, eq. 1)."""
    return beta * np.asarray(Ne, float) ** -np.asarray(pe, float) * np.asarray(Nd, float) ** -np.asarray(pd, float) + L_inf


@form("Ne = pe/(pe + pd) B, Nd = pd/(pe + pd) B")
def encoder_decoder_split(B: Any, *, pe: Any, pd: Any) -> dict[str, Any]:
    """Best split of B params between encoder and decoder (Ghorbani et al. 2021, by Lagrange condition)."""
    share = np.asarray(pe, float) / (np.asarray(pe, float) + pd)
    return {"Ne": share * B, "Nd": (1 - share) * B, "encoder_share": share + 0.0 * np.asarray(B, float)}


@form("beta_opt = beta ((pe+pd)/pe)^pe ((pe+pd)/pd)^pd")
def encoder_decoder_prefactor(beta: Any, pe: Any, pd: Any) -> Any:
    """Prefactor of the loss at the best split, against total params (Ghorbani et al. 2021)."""
    total = np.asarray(pe, float) + pd
    return beta * (total / pe) ** pe * (total / pd) ** pd


@form("L = beta_opt B^-(pe+pd) + L_inf, beta_opt = beta ((pe+pd)/pe)^pe ((pe+pd)/pd)^pd")
def encoder_decoder_best_loss(B: Any, *, beta: Any, pe: Any, pd: Any, L_inf: Any) -> Any:
    """Loss of B params in the best split (Ghorbani et al. 2021)."""
    return encoder_decoder_prefactor(beta, pe, pd) * np.asarray(B, float) ** -(np.asarray(pe, float) + pd) + L_inf


@form("excess = (u^-pe (1-u)^-pd)/(u*^-pe (1-u*)^-pd), u* = pe/(pe+pd)")
def encoder_decoder_penalty(encoder_share: Any, *, pe: Any, pd: Any) -> Any:
    """Reducible loss at an encoder share over that at the best share: what a wrong split costs."""
    u, best = np.asarray(encoder_share, float), np.asarray(pe, float) / (np.asarray(pe, float) + pd)
    return (u / best) ** -np.asarray(pe, float) * ((1 - u) / (1 - best)) ** -np.asarray(pd, float)


@form("L_i = beta (f N)^-alpha + L_inf")
def shared_model_loss(N: Any, f: Any, *, beta: Any, alpha: Any, L_inf: Any) -> Any:
    """Loss of one language pair that gets the fraction f of a model's params (Fernandes et al. 2023, eq. 8)."""
    return beta * (np.asarray(f, float) * N) ** -np.asarray(alpha, float) + L_inf


@form("f = p + c1 p^c2 (1-p)^c3")
def pair_fraction(p: Any, *, c1: Any, c2: Any, c3: Any) -> Any:
    """Effective share of params of a pair sampled with weight p (Fernandes et al. 2023, eq. 12)."""
    p = np.asarray(p, float)
    return p + c1 * p**c2 * (1 - p) ** c3


@form("f = (beta_1/beta_p)^(1/alpha)")
def pair_fraction_from_prefactors(beta_ratio: Any, alpha: Any) -> Any:
    """Effective share of params from the ratio of prefactors, alone over shared (Fernandes et al. 2023, eq. 9)."""
    return np.asarray(beta_ratio, float) ** (1 / np.asarray(alpha, float))


@form("ratio = f^-alpha")
def shared_model_loss_ratio(f: Any, alpha: Any) -> Any:
    """Reducible loss of a pair in a shared model over that of a model of its own."""
    return np.asarray(f, float) ** -np.asarray(alpha, float)


@form("N_eff = f N")
def shared_model_params(N: Any, f: Any) -> Any:
    """Size of the single-pair model a pair in a shared model is worth."""
    return np.asarray(N, float) * f
