"""What serving costs over model size on one option at one width, from the calibrated serving estimate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from knowledge.errors import InputError
from knowledge.hardware import accelerator
from tools.plan.evaluate import Serving
from tools.plan.options import Option, mixture_params, over_sizes
from tools.systems.design import design_shape
from tools.systems.serving import Load
from tools.systems.serving_case import precision_for
from tools.systems.serving_price import ServingPrice, cheapest, dense_price


def serving_for(item: Option, bits: float, latency_ms: float | None, experts: int = 1) -> Serving:
    """USD per million tokens and ms per token, as functions of (active) params; infinite where a size cannot be served."""
    usd, latency = _tables(item.part.id, bits, item.price.number, latency_ms, experts)
    return Serving(usd, latency)


@functools.lru_cache(128)
def _tables(
    part: str, bits: float, usd_per_hour: float, latency_ms: float | None, experts: int
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    load = Load() if latency_ms is None else Load(tpot_limit=latency_ms / 1e3)

    @functools.cache
    def price(size: float) -> ServingPrice | None:
        try:
            if experts == 1:
                return dense_price(size, part, bits, usd_per_hour, load)
            on = accelerator(part)
            shape = design_shape(float(mixture_params(size, experts)), params_active=size, n_experts=experts)
            return cheapest(shape, on, precision_for(bits, on), load, usd_per_hour)
        except InputError:
            return None

    def usd(size: float) -> float:
        found = price(size)
        return found.usd if found else float("inf")

    def latency(size: float) -> float:
        found = price(size)
        return found.serving.tpot_loaded_s * 1e3 if found else float("inf")

    return over_sizes(usd), over_sizes(latency)
