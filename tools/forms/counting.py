"""Counting conventions: params with and without tables, FLOPs per token with and without head and attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("P = (4 w + 3 d_ff) w depth, d_ff = 256 ceil(floor(8 w/3)/256); FLOPs per token 6 (P + vocab w), + 6 seq w depth, or 6 P")
def porian_flops(width: Any, depth: Any, vocab: Any, seq_len: Any) -> dict[str, Any]:
    """Params and training FLOPs per token of an OpenLM shape by three conventions (Porian et al. 2024, app. A)."""
    width, depth = np.asarray(width, float), np.asarray(depth, float)
    d_ff = 256 * np.ceil(np.floor(8 * width / 3) / 256)
    body = (4 * width + 3 * d_ff) * width * depth
    standard = 6 * (body + vocab * width)
    return {"params_nonembedding": body, "params": body + vocab * width, "flops_per_token_standard": standard,
            "flops_per_token_attention": standard + 6 * np.asarray(seq_len, float) * width * depth, "flops_per_token_kaplan": 6 * body}


@form("6 N1 = 72 n_layer d_model^2, 6 N2 = 6 N1 + 6 n_vocab d_model, M = 72 n_layer d_model^2 + 12 n_layer d_model l_seq")
def deepseek_flops(n_layer: Any, d_model: Any, l_seq: Any, n_vocab: Any) -> dict[str, Any]:
    """Training FLOPs per token by three conventions (DeepSeek LLM 2024, eq. 2), and the error of the two that leave out attention."""
    n_layer, d_model = np.asarray(n_layer, float), np.asarray(d_model, float)
    body = 72 * n_layer * d_model**2
    M = body + 12 * n_layer * d_model * l_seq
    full = body + 6 * np.asarray(n_vocab, float) * d_model
    return {"M": M, "flops_6N1": body, "flops_6N2": full, "ratio_6N1_M": body / M, "ratio_6N2_M": full / M}


@form("gamma = vocab (aspect/12)^(1/3), aspect = d_model/n_layer")
def embedding_constant(vocab: Any, aspect: Any) -> Any:
    """Embedding constant of a family of fixed aspect ratio (Pearce & Song 2024, section 3)."""
    return np.asarray(vocab, float) * np.cbrt(np.asarray(aspect, float) / 12)


@form("N_total = N_nonemb + gamma N_nonemb^(1/3)")
def total_from_nonembedding(N_nonemb: Any, *, gamma: Any) -> Any:
    """All params from non-embedding params of a fixed-aspect family (Pearce & Song 2024, eq. 6)."""
    N = np.asarray(N_nonemb, float)
    return N + gamma * np.cbrt(N)


@form("x^3 + gamma x = N_total, N_nonemb = x^3")
def nonembedding_from_total(N_total: Any, *, gamma: Any) -> Any:
    """Non-embedding params from all params: the real root of the depressed cubic (inverse of `total_from_nonembedding`)."""
    half, third = np.asarray(N_total, float) / 2, np.asarray(gamma, float) / 3
    root = np.sqrt(half**2 + third**3)
    # the smaller cube root as -third over the larger one: their difference would cancel for small N
    large = np.cbrt(half + root)
    return (large - third / large) ** 3


@form("least L(N_total(n), D) at 6 n D, n non-embedding; slope of log n on log(6 n D) over n_low..n_high")
def nonembedding_exponent(n_low: Any, n_high: Any, *, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    """Allocation exponent seen when a Chinchilla surface is optimised in non-embedding counts (Pearce & Song 2024, section 4)."""
    low, high = np.log(np.asarray(n_low, float)), np.log(np.asarray(n_high, float))
    x = low + np.linspace(0, 1, 400).reshape(-1, *([1] * np.broadcast(low, high, A, alpha, gamma).ndim)) * (high - low)
    n = np.exp(x)
    total = total_from_nonembedding(n, gamma=gamma)
    growth = (n + gamma * np.cbrt(n) / 3) / total  # d log N_total / d log n
    D = (beta * B / (alpha * A * total**-alpha * growth)) ** (1 / beta)
    y = np.log(n * D)
    y0, x0 = y - y.mean(axis=0), x - x.mean(axis=0)
    return (x0 * y0).sum(axis=0) / (y0**2).sum(axis=0)
