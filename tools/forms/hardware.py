"""Counting on hardware: optimizer state, embedding indexes, utilisation and wall-clock budgets."""

from __future__ import annotations

from typing import Any

import numpy as np

from knowledge.errors import InputError
from tools.forms._registry import form

# Buffers of parameter size an optimizer keeps per trainable parameter.
_BUFFERS = {"sgd": 0.0, "sgdm": 1.0, "momentum": 1.0, "muon": 1.0, "auon": 1.0, "adam": 2.0, "adamw": 2.0, "adamp": 2.0}


def _buffers(opt: Any) -> float:
    if str(opt).lower() not in _BUFFERS:
        raise InputError("opt", f"no buffer count for optimizer {opt!r}", f"one of {', '.join(sorted(_BUFFERS))}; adafactor goes apart")
    return _BUFFERS[str(opt).lower()]


@form("state bytes = buffers(opt) P bytes_per_value")
def optimizer_state(P: Any, opt: Any, bytes_per_value: Any = 4.0) -> dict[str, Any]:
    """Values and bytes of optimizer state for P trainable params."""
    elements = _buffers(opt) * np.asarray(P, float)
    return {"state_bytes": elements * bytes_per_value, "state_elems": elements}


@form("state elements = n + m (+ n m with momentum)")
def factored_state(n: Any, m: Any, momentum: Any = 0.0, bytes_per_value: Any = 4.0) -> dict[str, Any]:
    """Adafactor state of one n x m matrix, and its share of Adam's (Shazeer and Stern 2018)."""
    n, m = np.asarray(n, float), np.asarray(m, float)
    elements = n + m + n * m * np.asarray(momentum, float)
    return {"state_bytes": elements * bytes_per_value, "state_elems": elements, "ratio_to_adam": elements / (2 * n * m)}


@form("total = P (weights 2 + grads 2 or 4 + master 4 + state 4 buffers)")
def mixed_precision_bytes(P: Any, opt: Any = "adam", grad_bytes: Any = 2.0) -> dict[str, Any]:
    """Bytes of weights, gradients, master weights and optimizer state in mixed precision."""
    per_param = 2.0 + np.asarray(grad_bytes, float) + 4.0 + 4.0 * _buffers(opt)
    return {"total_bytes": np.asarray(P, float) * per_param, "bytes_per_param": per_param}


@form("decay(t) = 1 - t^-0.8")
def adafactor_decay(t: Any, *, exponent: Any) -> Any:
    """Second-moment decay at step t (Shazeer and Stern 2018)."""
    return 1 - np.asarray(t, float) ** -np.asarray(exponent, float)


@form("index bytes = n_docs m bytes_per_value")
def embedding_index(n_docs: Any, m: Any, bytes_per_value: Any = 4.0) -> Any:
    """Bytes of an index of embedding prefixes of m dimensions (Kusupati et al. 2022)."""
    return np.asarray(n_docs, float) * m * bytes_per_value


@form("scan cost ratio = m/m_full")
def embedding_scan_ratio(m: Any, m_full: Any) -> Any:
    """Cost of scanning embedding prefixes over scanning whole embeddings."""
    return np.asarray(m, float) / m_full


@form("train FLOP = 6 N D")
def training_flops(N: Any, D: Any) -> Any:
    """Training compute of a dense transformer by the six-ND rule."""
    return 6.0 * np.asarray(N, float) * D


@form("achieved = utilisation peak, seconds = FLOP/(achieved n)")
def time_at_utilisation(train_FLOP: Any, utilisation: Any, peak_per_gpu: Any, n_gpus: Any) -> dict[str, Any]:
    """FLOP/s reached per accelerator and wall time of a run at a share of peak."""
    achieved = np.asarray(utilisation, float) * peak_per_gpu
    return {"seconds": np.asarray(train_FLOP, float) / (achieved * n_gpus), "achieved": achieved}


@form("time per step = c0 + c1 memory_copies, D = tokens_per_step T/time per step")
def tokens_in_time(T: Any, memory_copies: Any, tokens_per_step: Any, *, c0: Any, c1: Any) -> dict[str, Any]:
    """Tokens seen in T seconds when a step's time is linear in the bytes it moves (Inbar and Sernau 2024)."""
    step = c0 + c1 * np.asarray(memory_copies, float)
    return {"D": tokens_per_step * np.asarray(T, float) / step, "time_per_step": step}


@form("L = E + A/N^alpha + B/D^beta, D = tokens_per_step T/(c0 + c1 memory_copies)")
def loss_in_time(T: Any, N: Any, memory_copies: Any, tokens_per_step: Any, *, c0: Any, c1: Any,
                 E: Any, A: Any, B: Any, alpha: Any, beta: Any) -> Any:
    """Loss reachable in T seconds of training on hardware calibrated by c0 and c1 (Inbar and Sernau 2024)."""
    D = tokens_in_time(T, memory_copies, tokens_per_step, c0=c0, c1=c1)["D"]
    return E + A / np.asarray(N, float) ** alpha + B / D**beta
