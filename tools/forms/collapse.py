"""What training on generated data costs: tail loss under a Zipf law, and error growth over generations of regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("c = (beta - 1)/beta")
def zipf_data_exponent(beta: Any) -> Any:
    """Data exponent of a memorising learner on ranks p_i ~ i^-beta (Dohmatob et al. 2024, Tale of Tails)."""
    beta = np.asarray(beta, float)
    return (beta - 1) / beta


@form("ratio = (T_after/T_before)^(-(beta-1)/beta)")
def zipf_error_ratio(T_before: Any, T_after: Any, beta: Any) -> Any:
    """Error after more real samples over the error before, no tail cut."""
    return (np.asarray(T_after, float) / np.asarray(T_before, float)) ** -zipf_data_exponent(beta)


@form("tail mass = sum_{i>k} i^-beta / sum_{i>=1} i^-beta")
def zipf_tail_mass(k: Any, beta: Any) -> Any:
    """Probability mass of all ranks beyond k: what a generator that keeps k ranks can never teach."""
    from scipy.special import zeta

    return zeta(np.asarray(beta, float), np.asarray(k, float) + 1) / zeta(np.asarray(beta, float), 1.0)


@form("E ~ T^(-(beta-1)/beta) + k^(-(beta-1)), T_useful = k^beta")
def zipf_error_tail_cut(T: Any, k: Any, beta: Any) -> dict[str, Any]:
    """Error up to a common factor when ranks beyond k are gone (top-p, low temperature), and where more samples stop helping."""
    T, k, beta = (np.asarray(x, float) for x in (T, k, beta))
    floor = k ** -(beta - 1)
    return {"E": T ** -zipf_data_exponent(beta) + floor, "floor": floor, "T_useful": k**beta}


@form("k = T0^(1/beta), E ~ T^-c + T0^-c, c = (beta-1)/beta")
def zipf_error_generator(T: Any, T0: Any, beta: Any) -> dict[str, Any]:
    """Error up to a common factor on T samples of a generator that itself saw T0 real samples; `floor_share` is the part no T removes."""
    T, T0, beta = (np.asarray(x, float) for x in (T, T0, beta))
    c = zipf_data_exponent(beta)
    error = T**-c + T0**-c
    return {"E": error, "floor": T0**-c, "floor_share": T0**-c / error, "k": T0 ** (1 / beta)}


@form("excess = n sigma0^2 phi/(1-phi), phi = d/T0; total = clean + excess")
def regression_collapse(n: Any, d: Any, T0: Any, sigma0: Any, clean: Any = 0.0) -> dict[str, Any]:
    """Excess test error after n generations of least squares, each fitted on labels of the one before (T0 > d, isotropic inputs).

    `excess_finite` uses the exact finite-size factor d/(T0 - d - 1).
    """
    n, d, T0, sigma0 = (np.asarray(x, float) for x in (n, d, T0, sigma0))
    valid = d < T0
    excess = np.where(valid, n * sigma0**2 * d / np.where(valid, T0 - d, 1.0), np.inf)
    room = T0 - d - 1
    finite = np.where(room > 0, n * sigma0**2 * d / np.where(room > 0, room, 1.0), np.inf)
    return {"excess": excess, "excess_finite": finite, "total": clean + excess}
