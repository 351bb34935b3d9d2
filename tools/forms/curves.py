"""Curves that are fitted to one's own runs and belong to no single law card: broken power laws, annealing areas, mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = E + A N^-alpha (1 + (N/N_break)^(1/width))^(-bend width)")
def broken_power(N: Any, *, E: Any, A: Any, alpha: Any, bend: Any, N_break: Any, width: Any) -> Any:
    """A power law whose exponent goes from alpha to alpha + bend around N_break (Caballero et al. 2023, eq. 1, one break)."""
    size = np.asarray(N, float)
    return E + A * size ** (-alpha) * np.exp(-bend * width * np.logaddexp(0.0, np.log(size / N_break) / width))


@form("L = L0 + A S1^-alpha - C S2")
def annealing_areas(S1: Any, S2: Any, *, L0: Any, A: Any, alpha: Any, C: Any) -> Any:
    """Loss along training from the forward area S1 and the annealing area S2 of the learning rate (Tissue et al. 2024, eq. 1)."""
    return L0 + A * np.asarray(S1, float) ** (-alpha) - C * np.asarray(S2, float)


@form("L = c + k exp(t r)")
def mixture_exponential(r: Any, *, c: Any, k: Any, t: Any) -> Any:
    """Loss on a domain from its share r of the training mixture (Ye et al. 2024, eq. 6, one domain)."""
    return c + k * np.exp(t * np.asarray(r, float))


@form("L = E + A/N^alpha + B/D^alpha")
def tied_chinchilla_loss(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any) -> Any:
    """The Chinchilla surface with alpha = beta, for tables that cannot tell the two apart."""
    return E + A / np.asarray(N, float) ** alpha + B / np.asarray(D, float) ** alpha


@form("L = E + A/N^alpha + B/D^beta + V/V_size^gamma")
def vocabulary_additive_loss(N: Any, D: Any, V_size: Any, *, E: Any, A: Any, B: Any, V: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    """Unigram-normalised loss from non-vocabulary params, characters or tokens, and vocabulary params (Tao et al. 2024, eq. 8)."""
    return E + A / np.asarray(N, float) ** alpha + B / np.asarray(D, float) ** beta + V / np.asarray(V_size, float) ** gamma


@form("L = E + (A 1e9/(N (k ln P + 1)))^alpha")
def parallel_streams_loss(N: Any, P: Any, *, E: Any, A: Any, alpha: Any, k: Any) -> Any:
    """Loss from params and parallel streams (Chen et al. 2025, ParScale, eq. 5 as its script fits it)."""
    return E + (A * 1e9 / (np.asarray(N, float) * (k * np.log(np.asarray(P, float)) + 1))) ** alpha


@form("L = E + A (N_active/N)^-gamma/N^alpha + B/D^beta")
def sparse_experts_loss(N: Any, D: Any, N_active: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    """Loss from total params, tokens and the active share of a sparse model: A (N_active/N)^-gamma stretches the params term."""
    share = np.asarray(N_active, float) / np.asarray(N, float)
    return E + A * share ** (-gamma) / np.asarray(N, float) ** alpha + B / np.asarray(D, float) ** beta


@form("L = (a_S (1-S)^b_S + c_S)/N^b_N + (a_D/D)^b_D + c")
def weight_sparsity_loss(N: Any, D: Any, S: Any, *, a_S: Any, b_S: Any, c_S: Any, b_N: Any, a_D: Any, b_D: Any, c: Any) -> Any:
    """Loss of a model with weight sparsity S and N nonzero params (Frantar et al. 2023, eq. 1)."""
    kept = 1 - np.asarray(S, float)
    return (a_S * kept**b_S + c_S) / np.asarray(N, float) ** b_N + (a_D / np.asarray(D, float)) ** b_D + c
