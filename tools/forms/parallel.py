"""Parallel scaling: P streams through one model are worth a larger model (Chen et al. 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("L = E + (A/(N (k ln P + 1)))^alpha")
def parallel_loss(N: Any, P: Any, *, E: Any, A: Any, alpha: Any, k: Any) -> Any:
    """Loss with P parallel streams (Chen et al. 2025, eq. 5)."""
    return E + (A / (np.asarray(N, float) * (k * np.log(np.asarray(P, float)) + 1))) ** alpha


@form("N_equivalent = N (1 + k ln P)")
def parallel_equivalent(N: Any, P: Any, *, k: Any) -> dict[str, Any]:
    """Params of the plain model of equal loss (Chen et al. 2025, section 3)."""
    multiple = 1 + k * np.log(np.asarray(P, float))
    return {"N_equivalent": N * multiple, "N_multiple": multiple}


@form("P = exp((multiple - 1)/k)")
def streams_for_multiple(multiple: Any, *, k: Any) -> Any:
    """Streams that are worth a parameter multiple (inverse of `parallel_equivalent`)."""
    return np.exp((np.asarray(multiple, float) - 1) / k)
