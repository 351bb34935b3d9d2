"""Learning-rate schedules: shapes of cooldowns, what a sweep of horizons costs, and loss along any schedule."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("lr/lr_max = 1 - sqrt(progress), progress of the cooldown in 0..1")
def cooldown_sqrt(progress: Any) -> Any:
    """Rate during a (1 - sqrt) cooldown, as a share of the peak (Hagele et al. 2024)."""
    return 1 - np.sqrt(np.clip(np.asarray(progress, float), 0, 1))


@form("lr = lr_max min(1, n/warmup) until N - N_decay, then lr_max (1 - sqrt((n - (N - N_decay))/N_decay))")
def constant_with_cooldown(n: Any, N: Any, N_decay: Any, lr_max: Any = 1.0, warmup: Any = 0.0) -> Any:
    """Rate at step n of a constant schedule with a (1 - sqrt) cooldown (Hagele et al. 2024, eq. 1)."""
    step = np.asarray(n, float)
    rising = np.where(step < warmup, step / np.maximum(warmup, 1.0), 1.0)
    return lr_max * rising * (1 - np.sqrt(np.clip((step - (N - N_decay)) / np.asarray(N_decay, float), 0, 1)))


@form("cosine = sum D_i; cooldown = max((1-f) D_i) + f sum D_i")
def sweep_cost(D_i: Any, f: Any) -> dict[str, Any]:
    """Training cost of a sweep over horizons, each trained anew or cooled down from one trunk (Hagele et al. 2024)."""
    horizons = np.atleast_1d(np.asarray(D_i, float))
    total = horizons.sum(axis=-1)
    cooldown = ((1 - np.asarray(f, float)) * horizons.max(axis=-1)) + f * total
    return {"cosine": total, "cooldown": cooldown, "ratio": cooldown / total, "saving": 1 - cooldown / total}


@form("N_decay = f N; lr_constant = factor lr_cosine")
def cooldown_plan(N: Any, lr_cosine: Any = 1.0, *, f_typical: Any, f_min: Any, f_long_runs: Any,
                  lr_factor_vs_cosine: Any) -> dict[str, Any]:
    """Length of the cooldown (typical, shortest and for long runs) and the peak rate beside a tuned cosine (Hagele et al. 2024)."""
    total = np.asarray(N, float)
    return {"N_decay": f_typical * total, "N_decay_min": f_min * total, "N_decay_long_runs": f_long_runs * total,
            "lr_constant": lr_factor_vs_cosine * np.asarray(lr_cosine, float)}


_NODES = 4097  # points of the schedule: resolves a cooldown of a sixth of a run to well under a thousandth of the loss


def _along(step: Any) -> tuple[Any, Any]:
    """Steps from 0 to `step` on a new last axis, and their spacing."""
    end = np.asarray(step, float)[..., None]
    share = np.linspace(0.0, 1.0, _NODES)
    return end * share, end / (_NODES - 1)


def _rate(kind: str, t: Any, steps: Any, peak: Any, final: Any, warmup: Any, decay_start: Any) -> Any:
    """Rate along a schedule: constant, cosine, linear (over the whole run), wsd (linear cooldown), wsd_sqrt or wsd_exponential."""
    total, top, end, warm, start = _column(steps, peak, final, warmup, decay_start)
    through = np.clip((t - warm) / np.maximum(total - warm, 1.0), 0, 1)
    cooling = np.clip((t - start) / np.maximum(total - start, 1.0), 0, 1)
    shapes = {
        "constant": lambda: top + 0 * t,
        "cosine": lambda: end + (top - end) * (1 + np.cos(np.pi * through)) / 2,
        "linear": lambda: top + (end - top) * through,
        "wsd": lambda: top + (end - top) * cooling,
        "wsd_sqrt": lambda: top + (end - top) * np.sqrt(cooling),
        "wsd_exponential": lambda: top * np.maximum(end / top, 1e-12) ** cooling,
    }
    return np.where(t < warm, top * np.minimum(1.0, t / np.maximum(warm, 1.0)), shapes[kind]())


def _column(*values: Any) -> list[Any]:
    """Each value with a last axis of one, so that it broadcasts against the points of a schedule."""
    return [np.asarray(value, float)[..., None] for value in values]


@form("L = L0 + A S1^-alpha - B sum_k (lr_{k-1} - lr_k)(1 - (1 + C lr_k^-gamma S_k)^-beta)")
def multi_power_loss(step: Any, steps: Any, peak: Any, final: Any, warmup: Any, decay_start: Any, *, L0: Any, A: Any, alpha: Any, B: Any,
                     C: Any, beta: Any, gamma: Any, schedule: str = "cosine") -> dict[str, Any]:
    """Loss at a step of a schedule by the multi-power law, warmup counted in S1 and in the drops (Luo et al. 2025, eq. 3)."""
    t, dt = _along(step)
    lr = _rate(schedule, t, steps, peak, final, warmup, decay_start)
    area = np.cumsum((lr[..., 1:] + lr[..., :-1]) / 2 * dt, axis=-1)
    total = area[..., -1:]
    drop, later = lr[..., :-1] - lr[..., 1:], np.maximum(lr[..., 1:], 1e-12)
    scale, power, rate_power = _column(C, beta, gamma)
    reach = 1 - (1 + scale * later**-rate_power * (total - area + later * dt)) ** -power
    S1, gain = total[..., 0], B * (drop * reach).sum(axis=-1)
    return {"L": L0 + A * S1 ** -np.asarray(alpha, float) - gain, "S1": S1, "LD": gain, "lr": lr[..., -1]}


@form("S1 = sum lr, m_i = lambda m_{i-1} + lr_{i-1} - lr_i, S2 = sum m_i, L = L0 + A S1^-alpha - C S2")
def annealing_loss(step: Any, steps: Any, peak: Any, final: Any, warmup: Any, decay_start: Any, *, L0: Any, A: Any, alpha: Any, C: Any,
                   lam: Any = 0.999, schedule: str = "cosine") -> dict[str, Any]:
    """Loss at a step of a schedule from its forward and annealing areas (Tissue et al. 2024, eq. 1)."""
    t, dt = _along(step)
    lr = _rate(schedule, t, steps, peak, final, warmup, decay_start)
    S1 = ((lr[..., 1:] + lr[..., :-1]) / 2 * dt).sum(axis=-1)
    end, memory = _column(step, lam)
    left = end - (t[..., 1:] + t[..., :-1]) / 2
    S2 = ((lr[..., :-1] - lr[..., 1:]) * (1 - memory ** (left + 1)) / (1 - memory)).sum(axis=-1)
    return {"L": L0 + A * S1 ** -np.asarray(alpha, float) - C * S2, "S1": S1, "S2": S2}


@form("N_decay = decay_fraction S")
def wsd_decay(S: Any, *, decay_fraction: Any, too_short: Any) -> dict[str, Any]:
    """Steps of decay of a warmup-stable-decay run, and a length found too short (Hu et al. 2024)."""
    return {"N_decay": decay_fraction * np.asarray(S, float), "N_too_short": too_short * np.asarray(S, float)}


@form("lr/lr_max = height (1 - progress)")
def cooldown_lowered_linear(progress: Any, height: Any = 0.7) -> Any:
    """Rate during a linear cooldown that starts below the peak, as a share of the peak (Dremov et al. 2025)."""
    return height * (1 - np.clip(np.asarray(progress, float), 0, 1))


@form("S1 = sum lr, L = L0 + A S1^-alpha - B sum_k (lr_{k-1} - lr_k)(1 - (1 + C lr_k^-gamma S_k)^-beta), lr by step")
def multi_power_loss_of_rates(lr: Any, *, L0: Any, A: Any, alpha: Any, B: Any, C: Any, beta: Any, gamma: Any) -> dict[str, Any]:
    """Loss after the last of the given rates, one a step on the last axis (Luo et al. 2025, eq. 3)."""
    rates = np.atleast_1d(np.asarray(lr, float))
    S1 = rates.sum(axis=-1)
    drop, later = rates[..., :-1] - rates[..., 1:], np.maximum(rates[..., 1:], 1e-12)
    rest = S1[..., None] - np.cumsum(rates, axis=-1)[..., :-1]
    scale, power, rate_power = _column(C, beta, gamma)
    gain = B * (drop * (1 - (1 + scale * later**-rate_power * rest) ** -power)).sum(axis=-1)
    return {"L": L0 + A * S1 ** -np.asarray(alpha, float) - gain, "S1": S1, "LD": gain}


@form("S1 = sum lr, m_i = lambda m_{i-1} + lr_{i-1} - lr_i, S2 = sum m_i, L = L0 + A S1^-alpha - C S2, lr by step")
def annealing_loss_of_rates(lr: Any, *, L0: Any, A: Any, alpha: Any, C: Any, lam: Any = 0.999) -> dict[str, Any]:
    """Loss after the last of the given rates, one a step on the last axis (Tissue et al. 2024, eq. 1)."""
    rates = np.atleast_1d(np.asarray(lr, float))
    S1 = rates.sum(axis=-1)
    (memory,) = _column(lam)
    left = np.arange(rates.shape[-1] - 1, 0, -1)  # steps from each drop to the end, its own included
    S2 = ((rates[..., :-1] - rates[..., 1:]) * (1 - memory**left) / (1 - memory)).sum(axis=-1)
    return {"L": L0 + A * S1 ** -np.asarray(alpha, float) - C * S2, "S1": S1, "S2": S2}
