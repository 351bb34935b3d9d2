"""Data: error against data-set size, the worth of filtered and repeated pools, and what selection costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("factor on the error = data_factor^beta_g")
def error_factor(data_factor: Any, *, beta_g: Any) -> Any:
    """What more data do to the reducible error (Hestness et al. 2017, eq. 1)."""
    return np.asarray(data_factor, float) ** beta_g


@form("data factor = error_factor^(1/beta_g)")
def data_factor_for_error(error_factor: Any, *, beta_g: Any) -> Any:
    """How many times the data an error factor needs (inverse of `error_factor`)."""
    return np.asarray(error_factor, float) ** (1 / np.asarray(beta_g, float))


@form("b_j = b 0.5^(epoch/tau)")
def pool_utility(b: Any, tau: Any, epoch: Any) -> Any:
    """Utility of a pool of data in a repeated epoch, counted from 0 (Goyal et al. 2024, eq. 4)."""
    return np.asarray(b, float) * 0.5 ** (np.asarray(epoch, float) / tau)


@form("tau_pool = k tau; b_pool = mean of the buckets' b_i 0.5^(j/(k tau_i)); epoch length k pool_size")
def merged_pool(b_mean: Any, tau: Any, buckets: Any, epoch: Any) -> dict[str, Any]:
    """Half-life and utility of equal buckets merged into one pool (Goyal et al. 2024, section 4), buckets alike in tau."""
    tau_pool = np.asarray(buckets, float) * tau
    return {"tau_pool": tau_pool, "b_j": pool_utility(b_mean, tau_pool, epoch)}


@form("b_j = mean_i b_i 0.5^(j/(k tau_i)), k buckets; epoch length k bucket_samples")
def merged_buckets(b: Any, tau: Any, epoch: Any, bucket_samples: Any) -> dict[str, Any]:
    """Utility of buckets of unlike quality merged into one pool, their b and tau on the last axis (Goyal et al. 2024, section 4)."""
    b, tau = np.asarray(b, float), np.asarray(tau, float)
    k = b.shape[-1]
    decay = 0.5 ** (np.expand_dims(np.asarray(epoch, float), -1) / (k * tau))
    return {"b_j": (b * decay).mean(axis=-1), "tau_pool": k * tau.mean(axis=-1), "pool_samples": k * np.asarray(bucket_samples, float)}


@form("err = (d + (a n_0/1e5)^b) prod_j (n_j/n_{j-1})^(b 0.5^(j/tau)), n_j = min((j+1) pool, samples)")
def filtered_pool_error(samples: Any, pool: Any, b: Any, tau: Any, d: Any, *, a: Any, normalizer: float = 1e5,
                        max_epochs: int = 200) -> Any:
    """Error after seeing samples drawn from a pool with repetition (Goyal et al. 2024, released objective: d inside the first factor)."""
    shape = np.broadcast(*(np.asarray(v, float) for v in (samples, pool, b, tau, d, a))).shape
    seen = np.asarray(samples, float) * np.ones(shape)
    size = np.asarray(pool, float) * np.ones(shape)
    j = np.arange(1, max_epochs).reshape(-1, *([1] * len(shape)))
    before, after = np.minimum(j * size, seen), np.minimum((j + 1) * size, seen)
    steps = b * 0.5 ** (j / np.asarray(tau, float)) * np.log(after / before)
    return (d + (a * np.minimum(size, seen) / normalizer) ** b) * np.exp(steps.sum(axis=0))


@form("log err = q0 + q1 x + q2 x^2 up to N_s, then straight with the slope there, x = ln n")
def piecewise_power(n: Any, *, q0: Any, q1: Any, q2: Any, N_s: Any) -> dict[str, Any]:
    """Error against samples, quadratic then linear in logarithms with one slope at the switch (Jain et al. 2023)."""
    x, switch = np.log(np.asarray(n, float)), np.log(np.asarray(N_s, float))
    near = np.minimum(x, switch)
    log_err = q0 + q1 * near + q2 * near**2 + (q1 + 2 * q2 * switch) * np.maximum(x - switch, 0)
    return {"log_err": log_err, "err": np.exp(log_err)}


@form("n for an error: on the straight piece exp(x_s + (log err - log err(N_s))/slope), on the quadratic its root")
def samples_for_error(err: Any, *, q0: Any, q1: Any, q2: Any, N_s: Any) -> Any:
    """Samples that reach an error on the piecewise power law (inverse of `piecewise_power`)."""
    y, switch = np.log(np.asarray(err, float)), np.log(np.asarray(N_s, float))
    at_switch, slope = q0 + q1 * switch + q2 * switch**2, q1 + 2 * q2 * switch
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = q1**2 - 4 * q2 * (q0 - y)
        curved = np.where(np.abs(q2) > 1e-12, 2 * (y - q0) / (q1 - np.sqrt(np.maximum(inner, 0))), (y - q0) / q1)
    return np.exp(np.where(y <= at_switch, switch + (y - at_switch) / slope, curved))


@form("selection FLOP = 2 (2 N_aux) tau n; training FLOP = 6 N n")
def selection_cost(N_aux: Any, tau: Any, n_tokens: Any, N: Any) -> dict[str, Any]:
    """Compute of scoring tau n candidate tokens with two auxiliary models, against training on the n kept (Brandfonbrener et al. 2024)."""
    selection = 4 * np.asarray(N_aux, float) * tau * n_tokens
    training = 6 * np.asarray(N, float) * n_tokens
    return {"selection_flops": selection, "train_flops": training, "ratio": selection / training}


@form("ratio = x/threshold")
def against_threshold(x: Any, *, threshold: Any) -> dict[str, Any]:
    """Where a quantity stands against a published turning point, and the turning point itself."""
    ratio = np.asarray(x, float) / threshold
    return {"threshold": threshold + 0 * ratio, "ratio": ratio}


@form("y = x/factor")
def reduced(x: Any, *, factor: Any) -> Any:
    """A quantity divided by a published saving factor."""
    return np.asarray(x, float) / factor
