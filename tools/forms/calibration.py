"""Confidence and reproducibility of predictors: temperature, calibration error, smooth activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("q = softmax(z/T)")
def temperature_softmax(z: Any, T: Any) -> dict[str, Any]:
    """Probability of the first class and of the likeliest one, from logits z (last axis) at temperature T (Guo et al. 2017)."""
    z = np.asarray(z, float) / np.asarray(T, float)[..., None]
    weights = np.exp(z - z.max(-1, keepdims=True))
    q = weights / weights.sum(-1, keepdims=True)
    return {"q0": q[..., 0], "confidence": q.max(-1)}


@form("ECE = sum over bins of (n_b/n) |acc_b - conf_b|")
def expected_calibration_error(n: Any, acc: Any, conf: Any) -> Any:
    """Calibration error from the count, accuracy and mean confidence of each bin."""
    n = np.asarray(n, float)
    return (n * np.abs(np.asarray(acc, float) - np.asarray(conf, float))).sum(-1) / n.sum(-1)


@form("y = 0 below -beta, (x+beta)^2/(4 beta) between, x above beta")
def smelu(x: Any, beta: Any) -> Any:
    """Smooth ReLU with a quadratic part of half-width beta (Shamir et al. 2020)."""
    x, beta = np.asarray(x, float), np.asarray(beta, float)
    return np.where(x <= -beta, 0.0, np.where(x >= beta, x, (x + beta) ** 2 / (4 * beta)))
