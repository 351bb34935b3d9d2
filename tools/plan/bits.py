"""Loss that fewer weight bits add, and the share of quantization-aware training: which law answers at which width.

The QAT paper's own loss law has no published constants (dremov2025_qat), so each width is priced by the law that measured it:
8 bits by post-training quantization (kumar2024_precision), 4 bits by 4-bit QAT (chen2025_qat, weights only), 3 and 2 bits by
the measured perplexities of ParetoQ (liu2025_paretoq), which carry no size dependence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools.law import compute

SHARE_LAW = "dremov2025_qat"
PENALTY_LAWS: dict[float, str] = {8.0: "kumar2024_precision", 4.0: "chen2025_qat", 3.0: "liu2025_paretoq", 2.0: "liu2025_paretoq"}


def added_loss(laws: LawBook, N: Any, D: Any, bits: float) -> Any:
    """Loss (nats/token) that deploying the weights at `bits` adds over 16 bits; arrays broadcast. Raises InputError for other widths.

    The laws of two widths come from different studies; a narrower width is never priced below a wider one.
    """
    if bits < 16 and bits not in PENALTY_LAWS:
        raise InputError(
            "weight_bits",
            f"no law of the base prices {bits:g}-bit weights",
            f"widths with one: 16, {', '.join(f'{b:g}' for b in PENALTY_LAWS)}",
        )
    added = np.zeros(np.broadcast(N, D).shape)
    for width in PENALTY_LAWS:
        if width >= bits:
            added = np.maximum(added, _added_at(laws, N, D, width))
    return added


def _added_at(laws: LawBook, N: Any, D: Any, bits: float) -> Any:
    law = PENALTY_LAWS[bits]
    card = laws.get(law)
    if law == "kumar2024_precision":
        return compute(card, "ptq_degradation", {"N": N, "D": D, "P_post": bits})["delta_PTQ"]
    if law == "chen2025_qat":
        return compute(card, "delta", {"N": N, "D": D}, "w4a16")["delta"]
    return np.log(compute(card, "accuracy", {"P": bits}, "mobilellm_1_5b")["ppl_ratio"])


def qat_share(laws: LawBook, N: Any, D: Any, bits: float) -> Any:
    """Share of all tokens to spend in quantization-aware training (dremov2025_qat); 0 at 8 bits and more, where PTQ does."""
    if bits >= 8:
        return 0.0 * np.asarray(N, float)
    return compute(laws.get(SHARE_LAW), "plan", {"N": N, "D_total": D, "B": bits})["f_star"]
