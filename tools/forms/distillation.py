"""Distillation: a supervised loss whose size and data terms share one exponent, and the loss of a student of a given teacher."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form
from tools.forms.chinchilla import chinchilla_optimum, chinchilla_optimum_for_params, chinchilla_tokens_for_loss

# Teacher losses over which the best one is looked for, nats per token: from below any floor in use to an untrained-like model.
_TEACHER_LOSSES = np.linspace(1.0, 4.0, 3001)


@form("L = E + (A/N^alpha + B/D^beta)^gamma")
def joint_power_loss(N: Any, D: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    """Supervised loss (Busbridge et al. 2025, supervised scaling law)."""
    return E + (A / np.asarray(N, float) ** alpha + B / np.asarray(D, float) ** beta) ** gamma


@form("N, D minimise A/N^alpha + B/D^beta under C = k N D; L = E + (...)^gamma; k = 6")
def joint_power_optimum(C: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any, k: float = 6.0) -> dict[str, Any]:
    """Params and tokens of least loss for a compute budget: gamma does not move the optimum."""
    inner = chinchilla_optimum(C, E=0.0, A=A, B=B, alpha=alpha, beta=beta, k=k)
    return {**inner, "L": E + inner["L"] ** gamma}


@form("D at which N is compute-optimal: (N/G)^((alpha+beta)/beta) = C/k, D = C/(k N)")
def joint_power_tokens_for_params(N: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any, k: float = 6.0) -> dict[str, Any]:
    """Tokens and compute at which a size is compute-optimal, with the loss there."""
    inner = chinchilla_optimum_for_params(N, E=0.0, A=A, B=B, alpha=alpha, beta=beta, k=k)
    return {**inner, "L": E + inner["L"] ** gamma}


@form("D = (B/((L-E)^(1/gamma) - A/N^alpha))^(1/beta)")
def joint_power_tokens_for_loss(L: Any, N: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any) -> Any:
    """Tokens a size needs for a supervised loss; infinite where it cannot reach it."""
    above = np.maximum(np.asarray(L, float) - E, 0.0)
    return chinchilla_tokens_for_loss(above ** (1 / gamma), N, E=0.0, A=A, B=B, alpha=alpha, beta=beta)


@form("C of least compute with L(N, D) = L: s = (L-E)^(1/gamma) = A/N^alpha + B/D^beta split in the ratio beta:alpha")
def joint_power_params_for_loss(L: Any, *, E: Any, A: Any, B: Any, alpha: Any, beta: Any, gamma: Any, k: float = 6.0) -> dict[str, Any]:
    """The smallest-compute model that reaches a loss: params, tokens and FLOP. Not finite at or below the floor."""
    s = np.where(np.asarray(L, float) > E, np.maximum(np.asarray(L, float) - E, 1e-300), np.nan) ** (1 / gamma)
    # At the optimum alpha A/N^alpha = beta B/D^beta, so the terms are s beta/(alpha+beta) and s alpha/(alpha+beta).
    N = (A * (alpha + beta) / (beta * s)) ** (1 / alpha)
    D = (B * (alpha + beta) / (alpha * s)) ** (1 / beta)
    return {"N": N, "D": D, "C": k * N * D}


@form("L_S = L_T + L_T^-c0 (1 + (L_T/(L_sup d1))^(1/f1))^(-c1 f1) (Ap/N_S^alphap + Bp/D_S^betap)^gammap")
def student_loss(
    N_S: Any,
    D_S: Any,
    L_T: Any,
    *,
    E: Any,
    A: Any,
    B: Any,
    alpha: Any,
    beta: Any,
    gamma: Any,
    Ap: Any,
    Bp: Any,
    alphap: Any,
    betap: Any,
    gammap: Any,
    c0: Any,
    c1: Any,
    f1: Any,
    d1: Any,
) -> Any:
    """Loss of a distilled student from its size, tokens and the teacher's loss (Busbridge et al. 2025, eq. 8)."""
    supervised = joint_power_loss(N_S, D_S, E=E, A=A, B=B, alpha=alpha, beta=beta, gamma=gamma)
    L_T = np.asarray(L_T, float)
    # logaddexp: the ratio to the power 1/f1 (about 11) times c1 f1 (about 47) overflows when written out.
    gap = -c1 * f1 * np.logaddexp(0.0, np.log(L_T / (supervised * d1)) / f1)
    own = (Ap / np.asarray(N_S, float) ** alphap + Bp / np.asarray(D_S, float) ** betap) ** gammap
    return L_T + L_T**-c0 * np.exp(gap) * own


@form("L_T* = argmin over L_T of L_S(N_S, D_S, L_T)", coefficients_of=student_loss)
def best_teacher_loss(N_S: Any, D_S: Any, **coefficients: Any) -> dict[str, Any]:
    """Teacher loss that gives the best student, to 0.001 nats, and the student's loss there."""
    N_S, D_S = np.broadcast_arrays(np.asarray(N_S, float), np.asarray(D_S, float))
    losses = student_loss(N_S[..., None], D_S[..., None], _TEACHER_LOSSES, **coefficients)
    best = np.argmin(losses, axis=-1)
    return {"L_T": _TEACHER_LOSSES[best], "L_S": np.take_along_axis(losses, best[..., None], -1)[..., 0]}


@form("FLOPs = 3 F(N_S) D_S + F(N_T) (use_logits D_S + train_teacher 3 D_T), F(N) = 2 N")
def distillation_flops(N_S: Any, D_S: Any, N_T: Any, D_T: Any = 0.0, use_logits: Any = 1.0, train_teacher: Any = 0.0) -> dict[str, Any]:
    """Compute of distilling one student: its own training, the teacher's forward pass and, if not there yet, the teacher's training."""
    N_S, D_S, N_T, D_T = (np.asarray(x, float) for x in (N_S, D_S, N_T, D_T))
    student = 6 * N_S * D_S
    logits, teacher = 2 * N_T * D_S * use_logits, 6 * N_T * D_T * train_teacher
    return {"C": student + logits + teacher, "student": student, "logits": logits, "teacher": teacher}
