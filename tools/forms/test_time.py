"""Inference compute: coverage of repeated sampling, imperfect verifiers, cost of long generation, exchange with training."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form

_MAX_ATTEMPTS = 10_000


@form("coverage = exp(a k^b)")
def exponentiated_power(k: Any, *, a: Any, b: Any) -> Any:
    """Share of problems solved by at least one of k samples (Brown et al. 2024); a < 0, b < 0."""
    return np.exp(a * np.asarray(k, float) ** b)


@form("k = (log(coverage)/a)^(1/b)")
def samples_for_coverage(coverage: Any, *, a: Any, b: Any) -> Any:
    """Samples per problem for a coverage."""
    return (np.log(np.asarray(coverage, float)) / a) ** (1 / np.asarray(b, float))


@form("b = log(log c2/log c1)/log(k2/k1), a = log(c1)/k1^b")
def coverage_through_two_points(k1: Any, c1: Any, k2: Any, c2: Any) -> dict[str, Any]:
    """The coverage law through two measured points."""
    k1, c1, k2, c2 = (np.asarray(x, float) for x in (k1, c1, k2, c2))
    b = np.log(np.log(c2) / np.log(c1)) / np.log(k2 / k1)
    return {"a": np.log(c1) / k1**b, "b": b}


@form("pass@k = mean_i [1 - C(N - C_i, k)/C(N, k)]")
def pass_at_k(N: Any, C: Any, k: Any) -> Any:
    """Unbiased pass@k from N samples a problem of which C_i are right; the last axis of C runs over problems."""
    from scipy.special import gammaln

    N, C, k = (np.asarray(x, float) for x in (N, C, k))
    wrong = N[..., None] - C
    k_ = k[..., None]
    enough = wrong >= k_
    safe = np.where(enough, wrong, k_)
    log_ratio = gammaln(safe + 1) - gammaln(safe - k_ + 1) - gammaln(N[..., None] + 1) + gammaln(N[..., None] - k_ + 1)
    return np.mean(np.where(enough, -np.expm1(log_ratio), 1.0), axis=-1)


@form("coverage = 1 - (1-p)^k")
def independent_coverage(p: Any, k: Any) -> Any:
    """Chance that one of k samples of one problem is right; over a set of unequal problems an upper bound."""
    return -np.expm1(np.asarray(k, float) * np.log1p(-np.asarray(p, float)))


@form("FLOPs = 2 P (L_in + k L_out)")
def sampling_flops(P: Any, L_in: Any, L_out: Any, k: Any) -> Any:
    """Weight FLOPs of k samples of one problem, the prompt counted once (Brown et al. 2024); no attention, no memory traffic."""
    return 2 * np.asarray(P, float) * (np.asarray(L_in, float) + np.asarray(k, float) * L_out)


@form("F = N p (1-p)^(N-1)/(1 - (1-p)^N)")
def coverage_gradient_weight(N: Any, p: Any) -> dict[str, Any]:
    """Weight of an example's gradient when pass@N is the objective, against cross-entropy (Chen et al. 2025), and its loss."""
    N, p = np.asarray(N, float), np.asarray(p, float)
    coverage = -np.expm1(N * np.log1p(-p))
    return {"F": N * p * np.exp((N - 1) * np.log1p(-p)) / coverage, "loss": -np.log(coverage), "coverage": coverage}


def _mixture(r: Any, p: Any, completeness: Any, soundness: Any) -> tuple[Any, Any, Any, Any]:
    # Without shares of task types every entry of r is a case of its own; with them the last axis runs over the types.
    r = np.asarray(r, float)[..., None] if np.ndim(p) == 0 else np.asarray(r, float)
    p = np.asarray(p, float)
    right = np.asarray(completeness, float)[..., None] * r
    wrong = (1 - np.asarray(soundness, float)[..., None]) * (1 - r)
    return p, right, wrong, 1 - right - wrong


@form("accuracy = sum_t p_t c r_t/(c r_t + (1-s)(1-r_t))")
def resampling_limit(r: Any, completeness: Any, soundness: Any, p: Any = 1.0) -> Any:
    """Accuracy of resampling without end until a verifier accepts (Stroebl et al. 2024); r and p list the task types."""
    p, right, wrong, _ = _mixture(r, p, completeness, soundness)
    return np.sum(p * right / (right + wrong), axis=-1)


@form("accuracy = sum_t p_t c r_t (1 - reject_t^K)/(1 - reject_t), reject = (1-c) r + s (1-r)")
def resampling_accuracy(r: Any, completeness: Any, soundness: Any, K: Any, p: Any = 1.0) -> Any:
    """Share of tasks with a right accepted answer within K attempts."""
    p, right, wrong, reject = _mixture(r, p, completeness, soundness)
    return np.sum(p * right * (1 - reject ** np.asarray(K, float)[..., None]) / (right + wrong), axis=-1)


@form("reward(K) = sum_{k<=K} sum_t p_t reject_t^(k-1) (c r_t V_tp + (1-r_t)(1-s) V_fp); K_opt = argmax")
def resampling_reward(
    r: Any, completeness: Any, soundness: Any, K: Any = 1.0, V_fp: Any = -1.0, V_tp: Any = 1.0, p: Any = 1.0
) -> dict[str, Any]:
    """Expected value of at most K attempts, and the best K (0: do not try; at most 10,000) with its value (Stroebl et al. 2024)."""
    p, right, wrong, reject = _mixture(r, p, completeness, soundness)
    value = p * (right * np.asarray(V_tp, float)[..., None] + wrong * np.asarray(V_fp, float)[..., None]) / (right + wrong)
    # Steps of K: every number to 100, then a finer and finer share of the value is at stake, so 1.5 % steps suffice.
    attempts = np.unique(np.concatenate([np.arange(101), np.round(np.geomspace(101, _MAX_ATTEMPTS, 320))]))
    rewards = np.sum(value[..., None, :] * (1 - reject[..., None, :] ** attempts[:, None]), axis=-1)
    best = np.argmax(rewards, axis=-1)
    at = np.sum(value * (1 - reject ** np.asarray(K, float)[..., None]), axis=-1)
    return {"reward": at, "K_opt": attempts[best], "reward_opt": np.max(rewards, axis=-1)}


@form("compute = N (2 P L_out + 2 (2 L_in + L_out) L_out H d); memory = I 2 (2 L_in + N L_out) L_out KV d; d = head_dim layers")
def kinetics_cost(
    L_in: Any, L_out: Any, N: Any, *, P: Any, layers: Any, heads: Any, kv_heads: Any, head_dim: Any, intensity: Any
) -> dict[str, Any]:
    """FLOP-equivalents of N generations: matrix FLOPs plus KV-cache bytes times the device's FLOP per byte (Sadhukhan et al. 2025)."""
    L_in, L_out, N = (np.asarray(x, float) for x in (L_in, L_out, N))
    d = np.asarray(head_dim, float) * layers
    weights = N * 2 * P * L_out
    compute = weights + N * 2 * (2 * L_in + L_out) * L_out * heads * d
    memory = intensity * 2 * (2 * L_in + N * L_out) * L_out * kv_heads * d
    return {"compute": compute, "memory": memory, "total": compute + memory, "overhead": (compute + memory - weights) / weights}


@form("G = budget L_out - max(0, budget - L_in)^2/2; compute = N (2 P L_out + 4 G H d); memory = I N 4 G KV d")
def kinetics_sparse_cost(
    L_in: Any, L_out: Any, N: Any, budget: Any, *, P: Any, layers: Any, heads: Any, kv_heads: Any, head_dim: Any, intensity: Any
) -> dict[str, Any]:
    """The same cost when each query attends to at most `budget` keys; the sign of the correction follows the block-sparse code."""
    L_in, L_out, N, budget = (np.asarray(x, float) for x in (L_in, L_out, N, budget))
    d = np.asarray(head_dim, float) * layers
    G = budget * L_out - 0.5 * np.maximum(0.0, budget - L_in) ** 2
    compute = N * (2 * P * L_out + 4 * G * heads * d)
    memory = intensity * N * 4 * G * kv_heads * d
    return {"compute": compute, "memory": memory, "total": compute + memory}


@form("I = peak/bandwidth")
def arithmetic_intensity(peak: Any, bandwidth: Any) -> Any:
    """FLOP a device can do per byte it can read."""
    return np.asarray(peak, float) / np.asarray(bandwidth, float)


def _overtraining(r: Any, alpha: Any, beta: Any) -> Any:
    share = beta / (alpha + beta)
    rest = 1 - share * np.asarray(r, float) ** alpha
    return np.where(rest > 0, ((1 - share) / np.where(rest > 0, rest, 1.0)) ** (1 / beta) / r, np.inf)


@form("s = beta/(alpha+beta); factor = ((1-s)/(1 - s r^alpha))^(1/beta)/r")
def overtraining_factor(r: Any, *, alpha: Any, beta: Any) -> dict[str, Any]:
    """Training compute of a model r times smaller than optimal at equal loss; infinite beyond r_max (from the Chinchilla form)."""
    share = beta / (np.asarray(alpha, float) + beta)
    return {
        "training_factor": _overtraining(r, alpha, beta),
        "r_max": share ** (-1 / np.asarray(alpha, float)) * np.ones_like(np.asarray(r, float)),
    }


@form("r^alpha = beta (rate+1)/(s (alpha + beta (rate+1))), s = beta/(alpha+beta)")
def overtraining_at_rate(rate: Any, *, alpha: Any, beta: Any) -> dict[str, Any]:
    """Where one more decade saved at inference costs `rate` decades of training: reduction, training factor and both in decades."""
    share = beta / (np.asarray(alpha, float) + beta)
    grown = beta * (np.asarray(rate, float) + 1)
    r = (grown / (share * (alpha + grown))) ** (1 / np.asarray(alpha, float))
    factor = _overtraining(r, alpha, beta)
    return {"r": r, "training_factor": factor, "training_OOM": np.log10(factor), "inference_OOM": np.log10(r)}


@form("training OOM = inference OOM training_span/inference_span, up to the span")
def exchange_rate(inference_OOM: Any, *, training: Any, inference: Any) -> dict[str, Any]:
    """Training compute that some decades of inference compute stand for, read linearly off a technique's span."""
    used = np.minimum(np.asarray(inference_OOM, float), inference)
    return {"training_OOM": used * training / inference, "training_factor": 10 ** (used * training / inference)}


@form("inference_factor = M + (3/R)(M - 1)")
def size_against_samples(M: Any, R: Any) -> Any:
    """Times its inference tokens a model may spend at the total FLOPs of one M times larger (Snell et al. 2024).

    R: inference tokens per pretraining token.
    """
    M = np.asarray(M, float)
    return M + 3 / np.asarray(R, float) * (M - 1)


@form("R = D_inference/D_pretrain")
def inference_to_pretraining(D_inference: Any, D_pretrain: Any) -> Any:
    """R: tokens generated over deployment per pretraining token (Snell et al. 2024)."""
    return np.asarray(D_inference, float) / np.asarray(D_pretrain, float)
