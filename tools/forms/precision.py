"""Loss under low-precision training and after post-training quantization (Kumar et al. 2024, appendix K with its biases)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form
from tools.forms._solve import bisect


def _factor(P: Any, gamma: Any, n: Any) -> Any:
    """1 - exp(-P/gamma + n); no value at or below P = gamma n, where it would be negative."""
    raw = 1 - np.exp(-np.asarray(P, float) / gamma + n)
    return np.where(raw > 0, raw, np.nan)


@form("factor_x = 1 - exp(-P_x/gamma_x + n_x); N_eff/N = product over weights, activations, KV cache")
def precision_factors(P_w: Any, P_a: Any, P_kv: Any, *, gamma_w: Any, n_w: Any, gamma_a: Any, n_a: Any, gamma_kv: Any,
                      n_kv: Any) -> dict[str, Any]:
    """Share of the parameters that low-precision training leaves effective (Kumar et al. 2024, eq. 4 with table 2)."""
    w, a, kv = _factor(P_w, gamma_w, n_w), _factor(P_a, gamma_a, n_a), _factor(P_kv, gamma_kv, n_kv)
    return {"N_eff_over_N": w * a * kv, "factor_w": w, "factor_a": a, "factor_kv": kv}


@form("factor = 1 - exp(-P/gamma + n)")
def precision_factor(P: Any, *, gamma: Any, n: Any) -> Any:
    """Factor of one tensor type at P bits (Kumar et al. 2024, eq. 3 with its bias)."""
    return _factor(P, gamma, n)


@form("delta = C_T D^gamma_D / N^gamma_N exp(-P_post/gamma_post + b)")
def ptq_degradation(N: Any, D: Any, P_post: Any, *, C_T: Any, gamma_D: Any, gamma_N: Any, gamma_post: Any, b: Any) -> Any:
    """Loss added by quantizing the weights after training (Kumar et al. 2024, eq. 2 with its bias)."""
    size = np.asarray(D, float) ** gamma_D / np.asarray(N, float) ** gamma_N
    return C_T * size * np.exp(-np.asarray(P_post, float) / gamma_post + b)


@form("L = A N_eff^-alpha + B D^-beta + E, N_eff = N prod_x (1 - exp(-P_x/gamma_x + n_x))")
def precision_loss(N: Any, D: Any, P_w: Any, P_a: Any, P_kv: Any, *, A: Any, alpha: Any, B: Any, beta: Any, E: Any, gamma_w: Any, n_w: Any,
                   gamma_a: Any, n_a: Any, gamma_kv: Any, n_kv: Any) -> dict[str, Any]:
    """Loss of training at given bits (Kumar et al. 2024, eq. 5), with its two terms."""
    factors = precision_factors(P_w, P_a, P_kv, gamma_w=gamma_w, n_w=n_w, gamma_a=gamma_a, n_a=n_a, gamma_kv=gamma_kv, n_kv=n_kv)
    N_eff = factors["N_eff_over_N"] * np.asarray(N, float)
    params, tokens = A * N_eff**-alpha, B * np.asarray(D, float) ** -beta
    return {"L": params + tokens + E, "N_eff": N_eff, "param_term_nats": params, "token_term_nats": tokens}


@form("L_q = A N^-alpha + B D^-beta + E + delta_PTQ")
def ptq_loss(N: Any, D: Any, P_post: Any, *, A: Any, alpha: Any, B: Any, beta: Any, E: Any, C_T: Any, gamma_D: Any, gamma_N: Any,
             gamma_post: Any, b: Any) -> dict[str, Any]:
    """Loss of a model trained at high precision and quantized afterwards (Kumar et al. 2024, eqs. 1 and 2)."""
    delta = ptq_degradation(N, D, P_post, C_T=C_T, gamma_D=gamma_D, gamma_N=gamma_N, gamma_post=gamma_post, b=b)
    full = A * np.asarray(N, float) ** -alpha + B * np.asarray(D, float) ** -beta + E
    return {"L": full + delta, "L_full": full, "delta_PTQ": delta}


@form("D_crit = (beta B/(gamma_D C_T N^-gamma_N exp(-P_post/gamma_post + b)))^(1/(beta + gamma_D))")
def ptq_critical_tokens(N: Any, P_post: Any, *, B: Any, beta: Any, C_T: Any, gamma_D: Any, gamma_N: Any, gamma_post: Any, b: Any) -> Any:
    """Tokens beyond which more training raises the quantized loss (Kumar et al. 2024, appendix E)."""
    slope = gamma_D * C_T * np.asarray(N, float) ** -gamma_N * np.exp(-np.asarray(P_post, float) / gamma_post + b)
    return (beta * B / slope) ** (1 / (beta + gamma_D))


@form("P maximising prod_x (1 - exp(-P/gamma_x + n_x))/P")
def optimal_precision(*, gamma_w: Any, n_w: Any, gamma_a: Any, n_a: Any, gamma_kv: Any, n_kv: Any) -> Any:
    """Compute-optimal training bits, equal in all tensors, when N, D and P are all free (Kumar et al. 2024, section 4.3.2)."""
    terms = [(np.asarray(g, float), np.asarray(n, float)) for g, n in ((gamma_w, n_w), (gamma_a, n_a), (gamma_kv, n_kv))]

    def slope(P: Any) -> Any:
        return 1 / P - sum(1 / (g * (np.exp(P / g - n) - 1)) for g, n in terms)

    floor = np.maximum.reduce([np.broadcast_to(g * n, np.broadcast_shapes(*[np.shape(g * n) for g, n in terms])) for g, n in terms])
    return bisect(slope, floor + 1e-6, 64.0)


@form("N(P)/N(P_ref) = prod_x factor_x(P_ref)/factor_x(P)")
def equivalent_size(P: Any, P_ref: Any = 16.0, *, gamma_w: Any, n_w: Any, gamma_a: Any, n_a: Any, gamma_kv: Any, n_kv: Any) -> Any:
    """Times more parameters needed at P bits for the effective parameters at P_ref (Kumar et al. 2024, section 4.3)."""
    k = {"gamma_w": gamma_w, "n_w": n_w, "gamma_a": gamma_a, "n_a": n_a, "gamma_kv": gamma_kv, "n_kv": n_kv}
    return precision_factors(P_ref, P_ref, P_ref, **k)["N_eff_over_N"] / precision_factors(P, P, P, **k)["N_eff_over_N"]


@form("C = (6/16) N D P")
def precision_compute(N: Any, D: Any, P: Any) -> Any:
    """Training cost at P bits in 16-bit FLOP equivalents (Kumar et al. 2024, section 4.3)."""
    return 6 / 16 * np.asarray(N, float) * D * P


@form("softmax gradient vanishes above margin (mantissa_bits + 1) ln 2")
def softmax_collapse_margin(mantissa_bits: Any) -> Any:
    """Logit margin beyond which 1 + exp(-margin) rounds to 1 in a format (Prieto et al. 2025)."""
    return (np.asarray(mantissa_bits, float) + 1) * np.log(2)


@form("L = A (N factor_w)^-alpha + B D^-beta + E, factor_w = 1 - exp(-P_w/gamma_w + n_w)")
def weight_precision_loss(N: Any, D: Any, P_w: Any, *, A: Any, alpha: Any, B: Any, beta: Any, E: Any, gamma_w: Any, n_w: Any) -> Any:
    """Loss of training with the weights alone at P_w bits (Kumar et al. 2024, eq. 3; floating point in appendix N)."""
    return A * (np.asarray(N, float) * _factor(P_w, gamma_w, n_w)) ** -alpha + B * np.asarray(D, float) ** -beta + E


@form("P minimising L(N, D, P) with D = 16 C/(6 N P), P equal in all tensors")
def optimal_precision_of_size(N: Any, C: Any, *, A: Any, alpha: Any, B: Any, beta: Any, gamma_w: Any, n_w: Any, gamma_a: Any, n_a: Any,
                              gamma_kv: Any, n_kv: Any) -> dict[str, Any]:
    """Best training bits of a fixed size, and the tokens they leave: it grows like log C (Kumar et al. 2024, section 4.3.3)."""
    terms = [(np.asarray(g, float), np.asarray(n, float)) for g, n in ((gamma_w, n_w), (gamma_a, n_a), (gamma_kv, n_kv))]
    size, flops = np.asarray(N, float), np.asarray(C, float)

    def slope(P: Any) -> Any:
        """d L/d ln P: more bits leave fewer tokens but more effective parameters."""
        share = np.prod(np.broadcast_arrays(*[1 - np.exp(-P / g + n) for g, n in terms]), axis=0)
        gain = sum(P / (g * (np.exp(P / g - n) - 1)) for g, n in terms)
        return beta * B * (16 * flops / (6 * size * P)) ** -beta - alpha * A * (size * share) ** -alpha * gain

    floor = max(float(np.max(g * n)) for g, n in terms)
    bits = bisect(slope, floor + 1e-6 + 0 * size * flops, 256.0)
    return {"P_star_bits": bits, "D": 16 * flops / (6 * size * bits)}
