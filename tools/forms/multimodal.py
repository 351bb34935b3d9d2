"""Contrastive image-text models, and autoregressive transformers on images, video, maths and text."""

from __future__ import annotations

from typing import Any

import numpy as np

from knowledge.quantities import PF_DAY_FLOPS
from tools.forms._registry import form


def _as_scores(err: Any) -> dict[str, Any]:
    return {"err": err, "acc": 1 - err, "acc_percent": 100 * (1 - err)}


@form("err = b C^-a")
def contrastive_error(C: Any, *, b: Any, a: Any) -> dict[str, Any]:
    """Zero-shot error from forward GMAC, with 1 - err as share and per cent (Cherti et al. 2023, section 4)."""
    return _as_scores(b * np.asarray(C, float) ** -a)


@form("C = gmac_per_sample samples_seen, err = b C^-a")
def contrastive_error_of_model(gmac_per_sample: Any, samples_seen: Any, *, b: Any, a: Any) -> dict[str, Any]:
    """Zero-shot error of an architecture after a number of pairs (Cherti et al. 2023)."""
    C = np.asarray(gmac_per_sample, float) * samples_seen
    return {**contrastive_error(C, b=b, a=a), "C": C}


@form("C = gmac_per_sample samples_seen, training FLOP = 6e9 C")
def contrastive_compute(gmac_per_sample: Any, samples_seen: Any) -> dict[str, Any]:
    """Forward GMAC of a run and its training FLOP: 2 per multiply-accumulate, backward twice the forward pass."""
    C = np.asarray(gmac_per_sample, float) * samples_seen
    return {"C": C, "training_FLOP": 6e9 * C}


@form("C = (b/err)^(1/a)")
def contrastive_compute_for_error(err: Any, *, b: Any, a: Any) -> dict[str, Any]:
    """Forward GMAC (and training FLOP) at which the error line reaches err."""
    C = (b / np.asarray(err, float)) ** (1 / a)
    return {"C": C, "training_FLOP": 6e9 * C}


@form("compute factor = reduction^(1/a)")
def contrastive_factor(reduction: Any, *, a: Any) -> Any:
    """Factor of compute that divides the error by `reduction`."""
    return np.asarray(reduction, float) ** (1 / a)


@form("C = (b2/b1)^(1/(a2 - a1))")
def contrastive_crossing(b1: Any, a1: Any, b2: Any, a2: Any) -> Any:
    """Compute at which two error lines b C^-a cross."""
    return (np.asarray(b2, float) / b1) ** (1 / (np.asarray(a2, float) - a1))


@form("err = a (C + b)^c + d")
def shifted_power_error(C: Any, *, a: Any, b: Any, c: Any, d: Any) -> dict[str, Any]:
    """Zero-shot error from forward GFLOP, with 1 - err as share and per cent (Nezhurina et al. 2025)."""
    return _as_scores(a * (np.asarray(C, float) + b) ** c + d)


@form("C = ((err - d)/a)^(1/c) - b")
def shifted_power_compute(err: Any, *, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Forward GFLOP at which the error reaches err; infinite at or below the floor d."""
    rest = np.asarray(err - np.asarray(d, float), float)
    with np.errstate(all="ignore"):
        return np.where(rest > 0, np.maximum((np.where(rest > 0, rest, 1.0) / a) ** (1 / np.asarray(c, float)) - b, 0.0), np.inf)


@form("D_opt = k C^x")
def samples_frontier(C: Any, *, k: Any, x: Any) -> dict[str, Any]:
    """Samples on the error frontier and the forward cost per sample that remains, C/D."""
    D = k * np.asarray(C, float) ** x
    return {"D_opt": D, "gflops_per_sample": np.asarray(C, float) / D}


@form("C = gflops_per_sample samples_seen, training FLOP = 3e9 C")
def forward_compute(gflops_per_sample: Any, samples_seen: Any) -> dict[str, Any]:
    """Forward GFLOP of a run and its training FLOP, about three times the forward pass."""
    C = np.asarray(gflops_per_sample, float) * samples_seen
    return {"C": C, "training_FLOP": 3e9 * C}


@form("L = L_inf + (x/x_0)^-alpha")
def floor_scaled(x: Any, *, L_inf: Any, x_0: Any, alpha: Any) -> dict[str, Any]:
    """A scaled power law above a floor, and its reducible part (Henighan et al. 2020, eqs. 1.1 and 1.2)."""
    reducible = (np.asarray(x, float) / x_0) ** -np.asarray(alpha, float)
    return {"L": L_inf + reducible, "reducible": reducible}


@form("x = x_0 (L - L_inf)^(-1/alpha)")
def floor_scaled_inverse(L: Any, *, L_inf: Any, x_0: Any, alpha: Any) -> Any:
    """Argument at which the loss is reached; infinite at or below the floor."""
    rest = np.asarray(L - np.asarray(L_inf, float), float)
    return np.where(rest > 0, x_0 * np.where(rest > 0, rest, 1.0) ** (-1 / np.asarray(alpha, float)), np.inf)


@form("N = (C/C_N)^beta, D = 8.64e19 C/(6 N)")
def pf_day_frontier(C: Any, *, C_N: Any, beta: Any) -> dict[str, Any]:
    """Optimal non-embedding params and tokens from PF-days (Henighan et al. 2020, eq. 1.3, with C = 6ND)."""
    C = np.asarray(C, float)
    N = (C / C_N) ** beta
    return {"N_opt": N, "D_opt": PF_DAY_FLOPS * C / (6 * N)}


@form("C = C_N N^(1/beta), D = 8.64e19 C/(6 N)")
def pf_day_frontier_for_params(N: Any, *, C_N: Any, beta: Any) -> dict[str, Any]:
    """PF-days and tokens for which a size is optimal."""
    N = np.asarray(N, float)
    C = C_N * N ** (1 / beta)
    return {"C": C, "D": PF_DAY_FLOPS * C / (6 * N)}


@form("KL per image = 3 R^2 (N/N_0)^-alpha")
def divergence_per_image(N: Any, R: Any, *, N_0: Any, alpha: Any) -> Any:
    """Divergence from the data per R x R RGB image of 3 R^2 tokens (Henighan et al. 2020)."""
    return 3 * np.asarray(R, float) ** 2 * (np.asarray(N, float) / N_0) ** -np.asarray(alpha, float)


@form("L = 9 L_image + L_text")
def image_text_loss(L_image: Any, L_text: Any) -> Any:
    """Training loss of the image-text models (Henighan et al. 2020)."""
    return 9 * np.asarray(L_image, float) + L_text
