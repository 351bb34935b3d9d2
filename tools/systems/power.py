"""Power and carbon of accelerators: from TDP and load, stated as an estimate."""

from __future__ import annotations

import math

from knowledge.hardware import Accelerator

# 30 measured mean powers of 7-8B models at batch 1 to 64 on A100-40GB and H100 (Argonne LLM-Inference-Bench, figure 16): share of TDP
# 0.57 to 0.60 at batch 1, rising with the logarithm of the batch to 0.65 to 0.95 at batch 64.
_AT_ONE, _PER_DOUBLING, _MOST = 0.57, 0.035, 0.90
TRAINING_SHARE = (0.65, 0.80, 1.0)  # low, middle, high share of TDP while training at usual utilisation
POWER_SOURCE = "estimate: TDP x load share, from 30 measured mean powers of 7-8B models on A100 and H100"
TRAINING_SOURCE = "estimate: TDP x 0.65 to 1.0 while training; hosts, network and cooling only through the stated PUE"


def watts(part: Accelerator, batch: float) -> float:
    """Mean power of one accelerator while it decodes `batch` sequences at once, W."""
    share = min(_MOST, _AT_ONE + _PER_DOUBLING * math.log2(max(batch, 1.0)))
    return part.tdp_watts * share


def training_kwh(part: Accelerator, hours: float, pue: float = 1.0) -> tuple[float, float, float]:
    """(middle, low, high) electricity of accelerator-hours of training, kWh, times the site's power usage effectiveness."""
    low, middle, high = (part.tdp_watts * share * hours * pue / 1e3 for share in TRAINING_SHARE)
    return middle, low, high


def co2_kg(kwh: float, grams_per_kwh: float) -> float:
    """Emissions of electricity at a stated grid factor, kg CO2e."""
    return kwh * grams_per_kwh / 1e3
