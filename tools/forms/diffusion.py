"""Image diffusion: compute frontiers, sampling steps, resolution shift and shapes of diffusion transformers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("N = kN C^aN, D = kD C^aD, L = kL C^-aL, FID = kF C^-aF")
def diffusion_frontier(C: Any, *, kN: Any, aN: Any, kD: Any, aD: Any, kL: Any, aL: Any, kF: Any, aF: Any) -> dict[str, Any]:
    """Optimal params and tokens, with loss and FID there, from compute in FLOP (Liang et al. 2024)."""
    C = np.asarray(C, float)
    N, D = kN * C**aN, kD * C**aD
    return {"N_opt": N, "D_opt": D, "L": kL * C**-aL, "FID": kF * C**-aF, "tokens_per_param": D / N}


@form("N2/N1 = r^aN, D2/D1 = r^aD, L2/L1 = r^-aL with r = C2/C1")
def diffusion_frontier_ratio(C_ratio: Any, *, aN: Any, aD: Any, aL: Any) -> dict[str, Any]:
    """Growth of the optimum and fall of the loss for a ratio of computes (Liang et al. 2024)."""
    r = np.asarray(C_ratio, float)
    return {"N_ratio": r**aN, "D_ratio": r**aD, "L_ratio": r**-aL}


@form("C = (N/kN)^(1/aN), D = kD C^aD")
def diffusion_compute_for_params(N: Any, *, kN: Any, aN: Any, kD: Any, aD: Any) -> dict[str, Any]:
    """Compute and tokens for which a size is optimal: the frontier N = kN C^aN inverted."""
    C = (np.asarray(N, float) / kN) ** (1 / aN)
    return {"C": C, "D": kD * C**aD}


@form("y = k C^-a")
def frontier_decay(C: Any, *, k: Any, a: Any) -> Any:
    """Loss or FID on the compute frontier (Liang et al. 2024)."""
    return k * np.asarray(C, float) ** -a


@form("C = (kL/L)^(1/aL)")
def diffusion_compute_for_loss(L: Any, *, kL: Any, aL: Any) -> Any:
    """Compute at which the loss frontier L = kL C^-aL reaches L."""
    return (kL / np.asarray(L, float)) ** (1 / aL)


@form("t_m = s t_n/(1 + (s - 1) t_n), s = sqrt(m/n)")
def timestep_shift(t_n: Any, m_over_n: Any) -> dict[str, Any]:
    """Flow time at m pixels that is as noisy as t_n at n pixels (Esser et al. 2024, section 5.3.2)."""
    s = np.sqrt(np.asarray(m_over_n, float))
    return {"t_m": s * t_n / (1 + (s - 1) * np.asarray(t_n, float)), "s": s}


@form("hidden = w depth, heads = depth")
def mmdit_shape(depth: Any, *, hidden_per_depth: Any) -> dict[str, Any]:
    """Width and heads of an MM-DiT from its depth (Esser et al. 2024)."""
    return {"hidden": hidden_per_depth * np.asarray(depth, float), "heads": np.asarray(depth, float)}


@form("FLOP = NFE forward_FLOP (1 + guided), guided = 1 with classifier-free guidance, else 0")
def image_sampling_flops(NFE: Any, forward_FLOP: Any, guided: Any = 1.0) -> Any:
    """Compute of one sample: network evaluations, doubled where guidance also runs the unconditional branch."""
    return np.asarray(NFE, float) * forward_FLOP * (1 + np.asarray(guided, float))


@form("compute ratio = steps_to/steps_from")
def sampling_steps_ratio(steps_from: Any, steps_to: Any) -> Any:
    """Sampling compute after cutting network evaluations, over before."""
    return np.asarray(steps_to, float) / steps_from


@form("y = table(NFE)/table(reference)")
def table_relative(x: Any, *, x_table: Any, y_table: Any, reference: Any) -> dict[str, Any]:
    """A column of a published table and its ratio to the entry at `reference`."""
    from tools.forms.tables import table_log

    y = table_log(x, x_table=x_table, y_table=y_table)
    return {"y": y, "ratio": y / table_log(reference, x_table=x_table, y_table=y_table)}


@form("scale_i = kappa^(i-1)")
def skip_scale(i: Any, kappa: Any) -> Any:
    """Constant scale of the i-th long skip connection of a diffusion U-Net (Huang et al. 2023)."""
    return np.asarray(kappa, float) ** (np.asarray(i, float) - 1)
