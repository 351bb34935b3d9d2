"""Vision models: compound scaling, multi-scale features, patches, robustness and sample needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("d = s^((1-alpha)/2), w = s^(alpha/2), r = s^((1-alpha)/4)")
def compound_scaling(s: Any, alpha: Any) -> dict[str, Any]:
    """Depth, width and resolution factors for a FLOP factor s, with those of FLOP, activations and params (Dollar et al. 2021)."""
    s, alpha = np.asarray(s, float), np.asarray(alpha, float)
    d, w, r = s ** ((1 - alpha) / 2), s ** (alpha / 2), s ** ((1 - alpha) / 4)
    return {"d": d, "w": w, "r": r, "g": w, "flops_ratio": d * w**2 * r**2, "activations_ratio": d * w * r**2, "params_ratio": d * w**2}


_AXES = {"d": (1.0, 0.0, 0.0), "w": (0.0, 0.5, 0.0), "r": (0.0, 0.0, 0.5), "dwr": (1 / 3, 1 / 6, 1 / 6)}


@form("d = s^e_d, w = s^e_w, r = s^e_r with e_d + 2 e_w + 2 e_r = 1 by scale type: d, w, r or dwr (uniform)")
def single_axis_scaling(s: Any, scale_type: Any) -> dict[str, Any]:
    """Factors when all growth goes into depth (d), width (w), resolution (r) or evenly into the three (dwr)."""
    from knowledge.errors import InputError

    if str(scale_type) not in _AXES:
        raise InputError("scale_type", f"{scale_type!r} is no way to scale", f"one of {', '.join(_AXES)}")
    e_d, e_w, e_r = _AXES[str(scale_type)]
    s = np.asarray(s, float)
    d, w, r = s**e_d, s**e_w, s**e_r
    return {"d": d, "w": w, "r": r, "flops_ratio": d * w**2 * r**2, "activations_ratio": d * w * r**2, "params_ratio": d * w**2}


@form("flops_ratio = sum of k^2 over scales, feature_dim_ratio = number of scales")
def multi_scale_cost(scales: Any) -> dict[str, Any]:
    """Cost of a frozen backbone run at several image scales, each split into k^2 base-size crops (Shi et al. 2024)."""
    scales = np.asarray(scales, float)
    return {"flops_ratio": (scales**2).sum(-1), "feature_dim_ratio": float(scales.shape[-1]), "params_ratio": 1.0}


@form("tokens = (H/p)(W/p)")
def patch_tokens(H: Any, p: Any, W: Any = None) -> Any:
    """Tokens of an H x W image (square without W) cut into patches of side p."""
    H, p = np.asarray(H, float), np.asarray(p, float)
    return H / p * ((H if W is None else np.asarray(W, float)) / p)


@form("tokens ratio = (p_from/p_to)^2, attention ratio = (p_from/p_to)^4")
def patch_cost_ratio(p_from: Any, p_to: Any) -> dict[str, Any]:
    """Growth of tokens and of attention cost from a change of patch side."""
    r = np.asarray(p_from, float) / p_to
    return {"tokens_ratio": r**2, "attention_ratio": r**4}


@form("ASR change = a log10(D2/D1) + b log10(N2/N1)")
def attack_success_change(D_factor: Any, N_factor: Any, *, per_decade_data: Any, per_decade_params: Any) -> Any:
    """Change of attack success in percentage points for factors of data and params."""
    return per_decade_data * np.log10(np.asarray(D_factor, float)) + per_decade_params * np.log10(np.asarray(N_factor, float))


@form("ASR = ASR0 + a log10(D/D0) + b log10(N/N0)")
def attack_success(ASR0: Any, D0: Any, N0: Any, D: Any, N: Any, *, per_decade_data: Any, per_decade_params: Any) -> Any:
    """Attack success in per cent from that of a measured model, kept within 0..100."""
    change = attack_success_change(np.asarray(D, float) / D0, np.asarray(N, float) / N0,
                                   per_decade_data=per_decade_data, per_decade_params=per_decade_params)
    return np.clip(ASR0 + change, 0.0, 100.0)


@form("acc = b0 + bD log10(D) + bN log10(N/1e6) + bR log10(R)")
def log_linear_accuracy(D: Any, N: Any, R: Any, *, b0: Any, bD: Any, bN: Any, bR: Any) -> Any:
    """ImageNet accuracy in per cent from hours of video, params and input side (refit of Orhan 2023)."""
    return b0 + bD * np.log10(np.asarray(D, float)) + bN * np.log10(np.asarray(N, float) / 1e6) + bR * np.log10(np.asarray(R, float))


@form("D = 10^((acc - b0 - bN log10(N/1e6) - bR log10(R))/bD)")
def log_linear_accuracy_data(acc: Any, N: Any, R: Any, *, b0: Any, bD: Any, bN: Any, bR: Any) -> Any:
    """Hours of video at which the log-linear fit reaches an accuracy."""
    rest = np.asarray(acc, float) - b0 - bN * np.log10(np.asarray(N, float) / 1e6) - bR * np.log10(np.asarray(R, float))
    return 10.0 ** (rest / bD)


@form("L <= K_L max(1, K_F) N^(-1/d)")
def intrinsic_dimension_bound(N: Any, d_data: Any, K_F: Any, K_L: Any) -> dict[str, Any]:
    """Bound on the loss from images, intrinsic dimension and label sharpness, and its data exponent (Konz and Mazurowski 2024)."""
    d = np.asarray(d_data, float)
    return {"L_bound": K_L * np.maximum(1.0, K_F) * np.asarray(N, float) ** (-1 / d), "exponent": 1 / d}


@form("data factor = reduction^d")
def intrinsic_dimension_data(reduction: Any, d_data: Any) -> Any:
    """Factor of data that divides the bound by `reduction`."""
    return np.asarray(reduction, float) ** np.asarray(d_data, float)


@form("kernel = k 2^l, params ratio = l + 2 (plain 4^l), FLOP ratio <= 5/3")
def recursive_convolution(k: Any, l: Any) -> dict[str, Any]:  # noqa: E741 - the paper's symbol
    """Receptive field and cost of a recursive depthwise convolution of base kernel k and l levels (Zhao et al. 2024)."""
    levels = np.asarray(l, float)
    return {"effective_kernel": k * 2.0**levels, "params_ratio": levels + 2, "plain_params_ratio": 4.0**levels,
            "flops_ratio_max": 5 / 3 + 0.0 * levels}


@form("FLOP = FLOP_0 (side/side_0)^3")
def crop_flops(side: Any, *, side_0: Any, flops_0: Any) -> Any:
    """FLOP of a 3-D network on a cubic crop, from those on a crop of side_0."""
    return flops_0 * (np.asarray(side, float) / side_0) ** 3
