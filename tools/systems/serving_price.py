"""Price per million output tokens at full load, and the largest model whose price stays below a limit."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape
from tools.convert import HOUR
from tools.systems.design import design_shape
from tools.systems.serving import USUAL_TPOT, Deployment, Load, Serving, estimate_many, fewest_devices
from tools.systems.serving_case import Precision, precision_for

MILLION = 1e6
_DEVICES = (1, 2, 4, 8)  # deployments tried beyond the fewest that hold the weights
_SMALLEST, _LARGEST = 1e6, 1e13
INTERACTIVE = Load(tpot_limit=USUAL_TPOT)  # a chat turn read as it is written


@dataclass(frozen=True)
class ServingPrice:
    """USD per million output tokens; low and high come from the throughput's 90% interval at the given price per hour."""

    usd: float
    low: float
    high: float
    usd_per_hour: float
    serving: Serving


def usd_per_million(tokens_per_s: float, devices: float, usd_per_hour: float) -> float:
    """USD per million tokens of `devices` accelerators that give `tokens_per_s` together, all hours paid and fully loaded."""
    return devices * usd_per_hour / (tokens_per_s * HOUR) * MILLION


def price_of(serving: Serving, usd_per_hour: float) -> ServingPrice:
    """The price of an estimate: the high end of the rate is the low end of the price."""
    usd, low, high = (
        usd_per_million(rate, serving.devices, usd_per_hour) for rate in (serving.output_tokens_per_s, serving.high, serving.low)
    )
    return ServingPrice(usd, low, high, usd_per_hour, serving)


def cheapest(
    shape: ModelShape, part: Accelerator, how: Precision, load: Load, usd_per_hour: float, family: str | None = None
) -> ServingPrice:
    """The number of accelerators with the lowest price per token that keeps the load's latency limit. Raises InputError when none does."""
    found = cheapest_each([Offer(shape, part, how, load, usd_per_hour, family)])[0]
    if found is None:
        fewest_devices(shape, part, how)  # says so where the weights fit nowhere
        limit = f"{load.tpot_limit * 1e3:.3g} ms per token"
        raise InputError("latency_ms_per_token", f"{part.id} cannot serve this model in {limit}", "allow more time or fewer bits")
    return found


@dataclass(frozen=True)
class Offer:
    """A model on a kind of accelerator at a price per hour; how many is open."""

    shape: ModelShape
    part: Accelerator
    how: Precision
    load: Load
    usd_per_hour: float
    family: str | None = None


def cheapest_each(offers: Sequence[Offer]) -> list[ServingPrice | None]:
    """The cheapest deployment of each offer within its latency limit, all in one pass; None where there is none."""
    wanted = [(i, Deployment(o.shape, o.part, count, o.how, o.load, o.family)) for i, o in enumerate(offers) for count in _counts(o)]
    best: list[ServingPrice | None] = [None] * len(offers)
    for (i, _), served in zip(wanted, estimate_many([one for _, one in wanted]), strict=True):
        if served is None or served.tpot_loaded_s > offers[i].load.tpot_limit * 1.001:
            continue
        price, so_far = price_of(served, offers[i].usd_per_hour), best[i]
        if so_far is None or price.usd < so_far.usd:
            best[i] = price
    return best


def _counts(offer: Offer) -> list[int]:
    """Numbers of accelerators worth trying: the fewest that hold the weights, and small machines above it."""
    try:
        smallest = fewest_devices(offer.shape, offer.part, offer.how)
    except InputError:
        return []
    return sorted({smallest, *(count for count in _DEVICES if count > smallest)})


def middle_price(part: Accelerator) -> float:
    """The price to expect of a part, USD per hour. Raises InputError for a part without one."""
    if part.price_usd_per_hour is None:
        raise InputError("price_per_accelerator_hour_usd", f"the base has no price for {part.id}", "state one")
    return part.price_usd_per_hour


@functools.lru_cache(4096)
def dense_price(
    params_total: float, accelerator_id: str, weight_bits: float, usd_per_hour: float | None = None, load: Load = INTERACTIVE
) -> ServingPrice:
    """Cheapest price of a dense model of a size. Raises InputError when it does not fit or cannot keep the latency limit."""
    part = accelerator(accelerator_id)
    rate = middle_price(part) if usd_per_hour is None else usd_per_hour
    return cheapest(design_shape(params_total), part, precision_for(weight_bits, part), load, rate)


@functools.lru_cache(512)
def max_params_for_price(
    price_limit_usd: float, accelerator_id: str, weight_bits: float = 16, *, usd_per_hour: float | None = None, load: Load = INTERACTIVE
) -> float:
    """Largest dense params_total whose price per million output tokens is at most `price_limit_usd`; to within 1%.

    Bisection in logs between 1e6 and 1e13 parameters: the price rises with size. Raises InputError when even the smallest costs more.
    """

    def affordable(params: float) -> bool:
        try:
            return dense_price(params, accelerator_id, weight_bits, usd_per_hour, load).usd <= price_limit_usd
        except InputError:
            return False

    if not affordable(_SMALLEST):
        raise InputError(
            "price_per_million_tokens_usd",
            f"no model is served for ${price_limit_usd:g} per million tokens on {accelerator_id}",
            "raise the limit",
        )
    low, high = _SMALLEST, _LARGEST
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if affordable(middle) else (low, middle)
    return low
