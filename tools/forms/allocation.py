"""Allocation on a Chinchilla surface beyond the plain optimum, and allocation by published power laws of compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tools.forms._registry import form
from tools.forms._solve import bisect
from tools.forms.chinchilla import chinchilla_loss, chinchilla_optimum, chinchilla_optimum_for_params, chinchilla_tokens_for_loss


@form("a = beta/(alpha+beta), b = 1 - a, G = (alpha A/(beta B))^(1/(alpha+beta)), gamma = alpha beta/(alpha+beta)")
def chinchilla_exponents(*, A: Any, B: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Exponents of the optimum N ~ C^a, D ~ C^b, its prefactor, and the exponent of L - E in C (Hoffmann et al. 2022, eq. 4)."""
    total = np.asarray(alpha + beta, float)
    return {"a": beta / total, "b": alpha / total, "G": (alpha * A / (beta * B)) ** (1 / total), "gamma": alpha * beta / total}


@form("N = (A/(L - E - B/D^beta))^(1/alpha)")
def chinchilla_params_for_loss(L: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    """Params that reach a loss on given tokens; infinite where no size does."""
    return chinchilla_tokens_for_loss(L, D, E=E, A=B, B=A, alpha=beta, beta=alpha)


@form("C = k ((A G^-alpha + B G^beta)/(L - E))^((alpha+beta)/(alpha beta)); N, D at that optimum")
def chinchilla_compute_for_loss(L: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Least compute that reaches a loss, with its params and tokens; infinite at or below the irreducible loss."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    rest = np.asarray(L - E, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        nd = ((A * G**-alpha + B * G**beta) / np.where(rest > 0, rest, np.nan)) ** ((alpha + beta) / (alpha * beta))
    nd = np.where(rest > 0, nd, np.inf)
    N = G * nd ** (beta / (alpha + beta))
    D = nd ** (alpha / (alpha + beta)) / G
    return {"C": k * nd, "N": N, "D": D, "tokens_per_param": D / N}


@form("D = C/(k N); L = E + A/N^alpha + B/D^beta; excess = L - L at the optimum of C")
def chinchilla_off_optimum(C: Any, N: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Loss of a size that is not the optimum of its compute, and the compute wasted: what an optimal run of equal loss saves."""
    D = np.asarray(C, float) / (k * np.asarray(N, float))
    L = chinchilla_loss(N, D, E=E, A=A, B=B, alpha=alpha, beta=beta)
    best = chinchilla_optimum(C, E=E, A=A, B=B, alpha=alpha, beta=beta, k=k)
    least = chinchilla_compute_for_loss(L, E=E, A=A, B=B, alpha=alpha, beta=beta, k=k)["C"]
    return {"D": D, "tokens_per_param": D / N, "L": L, "excess": L - best["L"], "compute_waste": C / least}


@form("N' = s N*(C), D' with L(N', D') = L(N*, D*); training compute ratio = N' D'/(N* D*)")
def chinchilla_resize(C: Any, size_ratio: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, k: float = 6.0) -> dict[str, Any]:
    """Tokens and compute at which a model `size_ratio` times the optimal size matches the optimum's loss; infinite if it cannot."""
    best = chinchilla_optimum(C, E=E, A=A, B=B, alpha=alpha, beta=beta, k=k)
    N = size_ratio * best["N"]
    D = chinchilla_tokens_for_loss(best["L"], N, E=E, A=A, B=B, alpha=alpha, beta=beta)
    return {"N": N, "D": D, "compute_ratio": N * D / (best["N"] * best["D"]), "L": best["L"]}


def _gap(N: Any, D: Any, D_inf: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    """Excess of eps_N/eps_D over 1 + D_inf/(3 D): falls with N, zero at the lifetime optimum."""
    return alpha * A * N**-alpha / (beta * B * D**-beta) - 1 - D_inf / (3 * D)


def _root(falling: Callable[[Any], Any], low: Any, high: Any) -> Any:
    return np.exp(bisect(lambda log_n: -falling(np.exp(log_n)), np.log(low), np.log(high)))


def _lifetime_size(loss: Any, D_inf: Any, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> tuple[Any, Any, Any]:
    """Params and tokens of least 6 N D + 2 N D_inf at a loss, and the params that are best with no inference at all."""
    least = chinchilla_compute_for_loss(loss, E=E, A=A, B=B, alpha=alpha, beta=beta)
    rest = np.asarray(loss - E, float)
    limit = (A / np.where(rest > 0, rest, np.nan)) ** (1 / alpha)

    def tokens(N: Any) -> Any:
        return chinchilla_tokens_for_loss(loss, N, E=E, A=A, B=B, alpha=alpha, beta=beta)

    N = _root(lambda n: _gap(n, tokens(n), D_inf, A, B, alpha, beta), limit * (1 + 1e-12), least["N"])
    return N, tokens(N), least


@form("minimise 6 N D + 2 N D_inf over N, D with E + A/N^alpha + B/D^beta = loss; there eps_N/eps_D = 1 + D_inf/(3 D)")
def inference_optimum(loss: Any, D_inf: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Params and tokens of least lifetime compute at a loss (Sardana et al. 2024, eq. 3), against the training-only optimum."""
    N, D, base = _lifetime_size(loss, np.asarray(D_inf, float), E, A, B, alpha, beta)
    total = 6 * N * D + 2 * N * D_inf
    plain = base["C"] + 2 * base["N"] * D_inf
    return {"N": N, "D": D, "tokens_per_param": D / N, "train_flops": 6 * N * D, "inference_flops": 2 * N * D_inf, "total_flops": total,
            "N_chinchilla": base["N"], "D_chinchilla": base["D"], "N_ratio": N / base["N"], "D_ratio": D / base["D"],
            "flops_ratio": total / plain, "flops_saving": plain - total, "saving_fraction": 1 - total / plain}


@form("loss = L*(N_quality), the loss of a compute-optimal model of N_quality params; then the inference optimum at that loss")
def inference_optimum_for_quality(N_quality: Any, D_inf: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Least lifetime compute at the quality of a Chinchilla-optimal model of a given size (Sardana et al. 2024, section 2)."""
    loss = chinchilla_optimum_for_params(N_quality, E=E, A=A, B=B, alpha=alpha, beta=beta)["L"]
    return {"loss": loss, **inference_optimum(loss, D_inf, E=E, A=A, B=B, alpha=alpha, beta=beta)}


@form("minimise E + A/N^alpha + B/D^beta over N, D with 6 N D + 2 N D_inf = C")
def inference_optimum_for_budget(C: Any, D_inf: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Least loss when one budget pays for training and for serving D_inf tokens (the dual of Sardana et al. 2024, eq. 3)."""
    C, D_inf = np.asarray(C, float), np.asarray(D_inf, float)
    plain = chinchilla_optimum(C, E=E, A=A, B=B, alpha=alpha, beta=beta)
    limit = np.where(D_inf > 0, C / np.where(D_inf > 0, 2 * D_inf, 1.0), np.inf)  # beyond it serving alone exhausts the budget
    high = np.fmin(limit, plain["N"]) * (1 - 1e-12)

    def tokens(N: Any) -> Any:
        return np.maximum(C / (6 * N) - D_inf / 3, 1e-300)

    N = _root(lambda n: _gap(n, tokens(n), D_inf, A, B, alpha, beta), high * 1e-9, high)
    D = tokens(N)
    return {"N": N, "D": D, "tokens_per_param": D / N, "L": chinchilla_loss(N, D, E=E, A=A, B=B, alpha=alpha, beta=beta),
            "train_flops": 6 * N * D, "inference_flops": 2 * N * D_inf, "total_flops": 6 * N * D + 2 * N * D_inf}


@form("minimise 6 N D p_tr/MFU_tr + 2 N p_inf (D_in/MFU_prefill + D_out/MFU_decode) at a loss; p in USD per peak FLOP")
def inference_cost_optimum(loss: Any, D_in: Any, D_out: Any, mfu_train: Any, mfu_prefill: Any, mfu_decode: Any, price_train: Any,
                           price_inference: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """Params and tokens of least lifetime dollars at a loss (Sardana et al. 2024, eq. 5): inference tokens weighted by their price."""
    weight = price_train / np.asarray(mfu_train, float)
    served = price_inference * (D_in / np.asarray(mfu_prefill, float) + D_out / np.asarray(mfu_decode, float))
    N, D, base = _lifetime_size(loss, served / weight, E, A, B, alpha, beta)
    cost, plain = 6 * N * D * weight + 2 * N * served, base["C"] * weight + 2 * base["N"] * served
    return {"N": N, "D": D, "tokens_per_param": D / N, "cost": cost, "cost_chinchilla": plain, "N_chinchilla": base["N"],
            "D_chinchilla": base["D"], "N_ratio": N / base["N"], "D_ratio": D / base["D"], "saving_fraction": 1 - cost / plain}


@form("eps_N/eps_D = 1 + D_inf/(3 D)")
def inference_condition(D_inf_over_D: Any) -> Any:
    """Ratio of the loss elasticities at the lifetime optimum (first-order condition of Sardana et al. 2024, eq. 3)."""
    return 1 + np.asarray(D_inf_over_D, float) / 3


@form("N = k_N C^a, D = k_D C^b")
def power_optimum(C: Any, *, k_N: Any, a: Any, k_D: Any, b: Any) -> dict[str, Any]:
    """Optimal params and tokens by two fitted power laws of compute (approaches 1 and 2 of Hoffmann et al. 2022)."""
    C = np.asarray(C, float)
    N, D = k_N * C**a, k_D * C**b
    return {"N": N, "D": D, "tokens_per_param": D / N}


@form("C = (N/k_N)^(1/a), D = k_D C^b")
def power_optimum_for_params(N: Any, *, k_N: Any, a: Any, k_D: Any, b: Any) -> dict[str, Any]:
    """Compute and tokens for which a size is optimal (inverse of `power_optimum`)."""
    C = (np.asarray(N, float) / k_N) ** (1 / np.asarray(a, float))
    D = k_D * C**b
    return {"C": C, "D": D, "tokens_per_param": D / N}


@form("C = (D/k_D)^(1/b), N = k_N C^a")
def power_optimum_for_tokens(D: Any, *, k_N: Any, a: Any, k_D: Any, b: Any) -> dict[str, Any]:
    """Compute and params for which a number of tokens is optimal (inverse of `power_optimum`)."""
    C = (np.asarray(D, float) / k_D) ** (1 / np.asarray(b, float))
    N = k_N * C**a
    return {"C": C, "N": N, "tokens_per_param": D / N}


@form("N_ratio = C_ratio^a, D_ratio = C_ratio^b")
def power_optimum_scaling(C_ratio: Any, *, a: Any, b: Any) -> dict[str, Any]:
    """How optimal params and tokens grow when compute grows: for laws of which only the exponents are published."""
    ratio = np.asarray(C_ratio, float)
    return {"N_ratio": ratio**a, "D_ratio": ratio**b}


@form("N = n_coef C^n_exponent, D = C/(6 N)")
def params_power_optimum(C: Any, *, n_coef: Any, n_exponent: Any, k: float = 6.0) -> dict[str, Any]:
    """Optimal params as a power of compute, tokens from C = k N D (Porian et al. 2024)."""
    N = n_coef * np.asarray(C, float) ** n_exponent
    D = C / (k * N)
    return {"N": N, "D": D, "tokens_per_param": D / N}


@form("C = (N/n_coef)^(1/n_exponent), D = C/(6 N)")
def params_power_optimum_for_params(N: Any, *, n_coef: Any, n_exponent: Any, k: float = 6.0) -> dict[str, Any]:
    """Compute and tokens for which a size is optimal (inverse of `params_power_optimum`)."""
    C = (np.asarray(N, float) / n_coef) ** (1 / np.asarray(n_exponent, float))
    D = C / (k * N)
    return {"C": C, "D": D, "tokens_per_param": D / N}


@form("D = A C^alpha, N = C/(6 D)")
def tokens_power_optimum(C: Any, *, A: Any, alpha: Any, k: float = 6.0) -> dict[str, Any]:
    """Optimal tokens as a power of compute, params from C = k N D (Llama 3, section 3.2.1)."""
    C = np.asarray(C, float)
    D = A * C**alpha
    N = C / (k * D)
    return {"D": D, "N": N, "tokens_per_param": D / N}


@form("C = (D/A)^(1/alpha), N = C/(6 D)")
def tokens_power_optimum_for_tokens(D: Any, *, A: Any, alpha: Any, k: float = 6.0) -> dict[str, Any]:
    """Compute and params for which a number of tokens is optimal (inverse of `tokens_power_optimum`)."""
    C = (np.asarray(D, float) / A) ** (1 / np.asarray(alpha, float))
    N = C / (k * D)
    return {"C": C, "N": N, "tokens_per_param": D / N}


@form("3 x forward FLOP: per layer 6 s d k h + 4 s^2 k h + 3 h s^2 + 2 s k h d + 4 s d d_ff; vocabulary terms 4 s V d")
def chinchilla_train_flops(N: Any, n_layer: Any, d_model: Any, d_ff: Any, n_heads: Any, d_head: Any, seq_len: Any,
                           vocab: Any) -> dict[str, Any]:
    """Training FLOP per sequence, backward twice the forward, and the ratio to 6 N per token (Hoffmann et al. 2022, app. F)."""
    s, inner = np.asarray(seq_len, float), np.asarray(n_heads, float) * d_head
    attention = 6 * s * d_model * inner + 4 * s**2 * inner + 3 * n_heads * s**2 + 2 * s * inner * d_model
    flops = 3 * n_layer * (attention + 4 * s * d_model * np.asarray(d_ff, float))
    return {"flops": flops, "flops_with_vocabulary": flops + 12 * s * vocab * d_model, "ratio": flops / (6 * np.asarray(N, float) * s)}


@form("y = y0 (x/x0)^p, z = z0 (x/x0)^q")
def power_pair(x: Any, *, x0: Any, y0: Any, p: Any, z0: Any, q: Any) -> dict[str, Any]:
    """Two power laws of one variable, written by their values at a reference point."""
    ratio = np.asarray(x, float) / x0
    return {"y": y0 * ratio**p, "z": z0 * ratio**q}


@form("M = M_base C^a, D = D_base C^b, N = M/6")
def flops_power_optimum(C: Any, *, M_base: Any, a: Any, D_base: Any, b: Any) -> dict[str, Any]:
    """Optimal FLOPs per token and tokens (DeepSeek LLM 2024, eq. 4); M/6 is the parameter count of equal cost per token."""
    C = np.asarray(C, float)
    M, D = M_base * C**a, D_base * C**b
    return {"M": M, "D": D, "N_effective": M / 6, "flops_ratio": M * D / C}


@form("N/D = K2 (C/(6e18))^eta, N and D in billions, C = 6 N D")
def ratio_power_optimum(C: Any, *, K2: Any, eta: Any) -> dict[str, Any]:
    """Optimal tokens per param, params and tokens from a power law of their ratio (MiniCPM 2024, section 4.4)."""
    nd = np.asarray(C, float) / 6
    ratio = 1 / (K2 * (nd / 1e18) ** eta)
    return {"tokens_per_param": ratio, "N": np.sqrt(nd / ratio), "D": np.sqrt(nd * ratio)}


@form("eta = (beta - alpha)/(alpha + beta)")
def ratio_exponent(*, alpha: Any, beta: Any) -> Any:
    """Exponent of the optimal N/D in compute that two loss exponents imply."""
    return (beta - alpha) / np.asarray(alpha + beta, float)
