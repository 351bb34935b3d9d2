"""Model FLOP utilisation to assume when a question states none: the spread over published training measurements."""

from __future__ import annotations

from knowledge.hardware import accelerator

# (middle, low, high) of 6 x params x tokens/s over the dense peak. All parts: median and 10th to 90th percentile over the
# medians of 26 published sources, 436 16-bit pretraining configurations of at least 3e8 parameters; TPU, V100 and Trainium over their rows.
_ALL = (0.38, 0.25, 0.51)
_BY_KIND: dict[str, tuple[float, float, float]] = {"tpu": (0.50, 0.33, 0.60), "v100": (0.28, 0.14, 0.38), "trainium": (0.28, 0.17, 0.38)}
_EIGHT_BIT = 0.74  # of the 16-bit utilisation, each against its own peak: fp8 rows reach 0.28 of the fp8 peak in the median
_SOURCE = "published training throughput, 6 x params x tokens over dense peak: median and 10th to 90th percentile of 26 sources"


def typical_mfu(accelerator_id: str, dtype: str = "bf16", params: float | None = None) -> tuple[float, float, float, str]:
    """(middle, low, high, source) of the utilisation of a part's dense peak in `dtype` that tuned pretraining reaches.

    `params` below 3e8 lowers it: small models leave the matrix units waiting (the rows of 1e8 parameters reach about two thirds).
    """
    part = accelerator(accelerator_id)
    kind = "v100" if part.id.startswith("v100") else part.kind
    middle, low, high = _BY_KIND.get(kind, _ALL)
    factor = (_EIGHT_BIT if dtype in ("fp8", "int8") else 1.0) * (0.67 if params is not None and params < 3e8 else 1.0)
    return round(middle * factor, 3), round(low * factor, 3), round(high * factor, 3), _SOURCE
