"""Exponents that theory predicts: regimes of a fitted exponent, compute-optimal phases, and limits of width, depth and noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form

_EPS = 1e-12


@form("variance-limited: 1; resolution-limited: 4/d, at least 1/d")
def regime_exponents(d: Any) -> dict[str, Any]:
    """Exponents in data or params by regime on a data manifold of dimension d (Bahri et al. 2021, theorems 2 and 3, section 3)."""
    d = np.asarray(d, float)
    return {"alpha_predicted": 4 / d, "alpha_lower_bound": 1 / d, "alpha_variance": np.ones_like(d)}


@form("d = 4/alpha")
def dimension_from_exponent(alpha: Any) -> Any:
    """Intrinsic dimension that a resolution-limited exponent suggests, an upper estimate (Bahri et al. 2021)."""
    return 4 / np.asarray(alpha, float)


@form("loss ratio = x_ratio^-alpha")
def ratio_of_power(x_ratio: Any, alpha: Any = 1.0) -> Any:
    """Factor on a loss above its limit from a factor on a resource."""
    return np.asarray(x_ratio, float) ** -np.asarray(alpha, float)


@form("alpha_P = alpha_D (kernel duality)")
def dual_exponent(alpha_D: Any) -> Any:
    """Parameter exponent that goes with a data exponent when the kernel's spectrum sets both (Bahri et al. 2021)."""
    return np.asarray(alpha_D, float) * 1.0


@form("t: (a-1)/b; N: min(a-1, b); P: min(a-1, 2b); t_opt ~ C^(b/(1+b)), N_opt ~ C^(1/(1+b)), L ~ C^(-(a-1)/(1+b))")
def dynamical_exponents(a: Any, b: Any) -> dict[str, Any]:
    """Exponents of training time, model and data, and of the optimum under C = N t (Bordelon et al. 2024).

    Those of the optimum hold for a - 1 < b.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    return {
        "time_exponent": (a - 1) / b,
        "model_exponent": np.minimum(a - 1, b),
        "data_exponent": np.minimum(a - 1, 2 * b),
        "t_opt_exponent": b / (1 + b),
        "N_opt_exponent": 1 / (1 + b),
        "loss_exponent": (a - 1) / (1 + b),
    }


def _paquette_cases(a: Any, b: Any) -> list[tuple[str, Any, Any, Any]]:
    """(phase, where it holds, xi, eta): d_opt = f^xi, P = f^-eta."""
    edge = 1 - 1 / np.sqrt(2)
    s = 2 * a + 2 * b - 1
    ic = 3 * a + 2 * b - 2 * a * b - 1
    iv = 2 * b - 2 * a * b - a
    return [
        ("none", 2 * (a + b) <= 1, np.nan * a, np.nan * a),
        ("Ia", (2 * a > 1) & (2 * b < 1), 1 / (2 * a + 1), s / (2 * a + 1)),
        ("Ib", (2 * a <= 1) & (2 * b <= 1), 0.5 + 0 * a, a + b - 0.5),
        ("Ic", (a <= 0.25) & (2 * b > 1), s / (2 * ic), a * s / ic),
        ("II", (2 * a > 1) & (2 * b >= 1) & (b < a - _EPS), b / (a + b), s / (2 * (a + b))),
        ("III", (2 * a > 1) & (b >= a - _EPS), 0.5 + 0 * a, (4 * a - 1) / (4 * a)),
        ("IVa", (2 * b > 1) & (a > edge) & (2 * a <= 1), 0.5 + 0 * a, a + 0 * b),
        ("IVb", (2 * b > 1) & (a > 0.25) & (a <= edge), (b - a) / iv, (1 - 2 * a) * s / (2 * iv)),
    ]


@form("phase, xi and eta of d_opt = f^xi, P = f^-eta by (alpha, beta)")
def compute_optimal_phase(alpha: Any, beta: Any) -> dict[str, Any]:
    """Phase and exponents of compute-optimal one-pass SGD on power-law random features (Paquette et al. 2024, table of phases).

    `alpha`: eigenvalues j^(-2 alpha); `beta`: target coefficients j^-beta. No power law below 2(alpha + beta) = 1: not a number.
    """
    a, b = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    cases = _paquette_cases(a, b)
    masks = [mask for _, mask, _, _ in cases]
    pick = np.select(masks, range(len(cases)), default=0)
    names = np.array([name for name, _, _, _ in cases])
    xi = np.select(masks, [xi for _, _, xi, _ in cases], np.nan)
    eta = np.select(masks, [eta for _, _, _, eta in cases], np.nan)
    return {"eta": eta, "xi": xi, "phase": names[pick]}


@form("P = F0 + Fpp + Fac + Knoise with f = r d")
def phase_loss(r: Any, d: Any, alpha: Any, beta: Any) -> dict[str, Any]:
    """The four terms of the loss after r steps at d params, up to constants, batch 1 and the largest stable step (Paquette et al. 2024)."""
    r, d, a, b = (np.asarray(x, float) for x in (r, d, alpha, beta))
    gamma = np.where(2 * a > 1, 1.0, d ** (2 * a - 1))
    x = gamma * r
    F0 = d ** (-2 * a + np.maximum(0, 1 - 2 * b))
    Fpp = x ** (-(1 + b / a) + 1 / (2 * a))
    Fac = np.where((2 * a > 1) & (2 * b > 1), x ** (-1 + 1 / (2 * a)) / d, 0.0)
    noise = np.where(a > 0.25, gamma * x ** (-2 + 1 / (2 * a)), 0.0)
    return {"P": F0 + Fpp + Fac + noise, "F0": F0, "Fpp": Fpp, "Fac": Fac, "Knoise": noise}


@form("L ~ min(N, T)^-alpha up to M; N_opt ~ T_opt ~ (N T)^(1/2)")
def random_feature_loss(N: Any, T: Any, alpha: Any, M: Any = np.inf) -> dict[str, Any]:
    """Loss of random features at their best ridge up to a constant, and the exponent in force (Maloney et al. 2022)."""
    least = np.minimum(np.asarray(N, float), np.asarray(T, float))
    below = least < M
    return {
        "L": np.minimum(least, M) ** -np.asarray(alpha, float),
        "alpha_effective": np.where(below, alpha, 0.0),
        "N_opt_exponent": 0.5 + 0 * least,
        "T_opt_exponent": 0.5 + 0 * least,
    }


@form("approximation: 4/d; ensembling of sub-networks: 1")
def ensembling_exponents(d: Any) -> dict[str, Any]:
    """Exponents in parameters by approximation theory and by averaging of lottery tickets (Liu and Tegmark 2023)."""
    d = np.asarray(d, float)
    return {"alpha_observed": np.ones_like(d), "alpha_approximation": 4 / d}


@form("bits = R N")
def knowledge_capacity(N_params: Any, *, R: Any) -> Any:
    """Bits of factual knowledge a model holds (Allen-Zhu and Li 2024)."""
    return R * np.asarray(N_params, float)


@form("branch multiplier = L^(-1/2)")
def residual_branch_scale(L: Any) -> Any:
    """Scale of a residual branch at which width and depth limits commute (Hayou; Hayou and Yang 2023)."""
    return np.asarray(L, float) ** -0.5


@form("alpha = min(1/2, nu_g/d_in, nu_h/d_mid)")
def compositional_exponent(nu_g: Any, d_in: Any, nu_h: Any, d_mid: Any) -> Any:
    """Data exponent bound for a target h(g(x)) (Jacot et al. 2024)."""
    return np.minimum(0.5, np.minimum(np.asarray(nu_g, float) / d_in, np.asarray(nu_h, float) / d_mid))


@form("L = A m^-alpha + B")
def width_loss(m: Any, *, A: Any, alpha: Any, B: Any = 0.0) -> dict[str, Any]:
    """Loss against model width with its width-limited part (Liu et al. 2025)."""
    part = A * np.asarray(m, float) ** -np.asarray(alpha, float)
    return {"L": part + B, "width_part": part}


@form("alpha_N = alpha_m/gamma, N ~ m^gamma")
def width_to_params_exponent(alpha_m: Any, gamma: Any) -> Any:
    """Parameter exponent that follows from a width exponent (Liu et al. 2025)."""
    return np.asarray(alpha_m, float) / gamma


@form("a = gamma/delta")
def critical_noise_exponent(gamma: Any, delta: Any) -> Any:
    """Exponent with which the critical SGD temperature falls with data (Sclocchi et al. 2023)."""
    return np.asarray(gamma, float) / delta


@form("k = (depth-1)/(depth+1)")
def noise_depth_exponent(depth: Any) -> Any:
    """Exponent of the best SGD temperature in the scale of the initialisation (Sclocchi et al. 2023)."""
    depth = np.asarray(depth, float)
    return (depth - 1) / (depth + 1)


@form("T = lr/batch")
def sgd_temperature(lr: Any, batch: Any) -> Any:
    """SGD temperature."""
    return np.asarray(lr, float) / batch


@form("largest stable learning rate about 2/sharpness")
def stability_edge(sharpness: Any) -> Any:
    """Learning rate at the edge of stability of plain gradient descent (Noci et al. 2024)."""
    return 2 / np.asarray(sharpness, float)
