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
