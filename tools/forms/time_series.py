"""Time-series transformers: pure power laws written by their scale (Yao et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = (x0/x)^alpha")
def scale_power(x: Any, *, x0: Any, alpha: Any, unit: float = 1.0) -> Any:
    """Loss from size, data or compute; `unit` is what one of the law's own units holds of the input's."""
    return np.exp(np.asarray(alpha, float) * (np.log(x0) - np.log(np.asarray(x, float) / unit)))


@form("x = x0 L^(-1/alpha)")
def scale_power_inverse(L: Any, *, x0: Any, alpha: Any, unit: float = 1.0) -> Any:
    """Size, data or compute at which the law gives a loss."""
    return unit * np.exp(np.log(x0) - np.log(np.asarray(L, float)) / alpha)


@form("L2/L1 = r^-alpha")
def scale_power_ratio(x_ratio: Any, *, alpha: Any) -> Any:
    """Factor on the loss for a factor on size, data or compute."""
    return np.asarray(x_ratio, float) ** -np.asarray(alpha, float)
