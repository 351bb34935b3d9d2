"""`cost`: dollars of training, and of serving where demand is stated; whether a budget is enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.hardware import Accelerator, accelerator
from knowledge.library import LawBook
from tools.budget import DEFAULT_ACCELERATOR, BudgetFields, RunFields, assumed_accelerator, price_per_hour, training_peak
from tools.convert import DAY, FLOPS_PER_PARAM_TOKEN, HOUR, in_words
from tools.energy import training_energy
from tools.registry import tool
from tools.result import Assumption, Column, Notice, Number, Result, Table, Value
from tools.systems.flops import count_params
from tools.systems.mfu import corrected_by, of_run, source_of, typical_mfu
from tools.systems.profile import Profile, profile_from

NEEDS = (
    ("compute_flops",),
    ("params_total", "tokens"),
    ("params_active", "tokens"),
    ("model", "tokens"),
    ("accelerator_hours",),
    ("n_accelerators", "duration_seconds"),
    ("params_total", "tokens_per_param"),
    ("model",),
    ("params_total", "inference_tokens"),
)
COMPARED = ("a100-80gb", "h100-sxm", "h200", "b200", "mi300x", "tpu-v5p")


class CostRequest(RunFields, BudgetFields):
    """A run by its compute, its size and tokens, or its hours; fields and units of the brief, and the site's carbon factors."""

    tokens_per_param: float | None = Field(default=None, gt=0)
    inference_tokens: float | None = Field(default=None, gt=0)
    weight_bits: float | None = Field(default=None, ge=1, le=32)
    grid_grams_per_kwh: float | None = Field(default=None, ge=0, le=2000, description="grams of CO2 equivalent per kWh of the site's grid")
    pue: float | None = Field(default=None, ge=1, le=3, description="power usage effectiveness of the site")
    profile: dict[str, Any] | None = Field(default=None, description="profile of the user's cluster, as `flopwise calibrate` writes it")


@dataclass
class _Bill:
    """A request with its gaps filled; `flops` is None where only hours are known."""

    request: CostRequest
    part: Accelerator
    price: Value
    flops: float | None = None
    flops_formula: str = "stated compute"
    active: float | None = None
    tokens: float | None = None
    assumptions: list[Assumption] = field(default_factory=list[Assumption])
    notices: list[Notice] = field(default_factory=list[Notice])

    @cached_property
    def profile(self) -> Profile | None:
        """The cluster's profile, where one is given."""
        return profile_from(self.request.profile) if self.request.profile else None


@tool(task="cost", title="What a run costs", needs=NEEDS)
def cost(request: CostRequest, laws: LawBook) -> Result:
    """Dollars of training from hours x price, hours from FLOPs / (peak x MFU) where not stated; with serving, energy and the budget.

    C = 6 x active params x tokens (Kaplan et al. 2020, section 2.1). The user's price wins over the card's range.
    """
    part = accelerator(request.accelerator or DEFAULT_ACCELERATOR)
    price, assumed = price_per_hour(part, request.price_per_accelerator_hour_usd)
    bill = _Bill(request, part, price, assumptions=list(assumed))
    if request.accelerator is None:
        bill.assumptions.append(assumed_accelerator(part))
    _compute(bill)
    hours = _hours(bill, laws)
    values: dict[str, Value] = {}
    if hours is not None:
        values = {
            "cost_usd": _dollars(bill, hours),
            "accelerator_hours": hours,
            "price_per_accelerator_hour_usd": price,
            **_time(bill, hours),
        }
        if bill.flops is not None:
            values["compute_flops"] = Value(
                value=bill.flops, unit="FLOP", label="training compute", quantity="flops", formula=bill.flops_formula
            )
        values |= training_energy(part, hours, request.grid_grams_per_kwh, request.pue)
    values |= _serving(bill, values.get("cost_usd"))
    if not values:
        raise MissingInput(NEEDS, "a bill")
    feasible = _verdict(bill, values)
    headline = [
        key for key in ("verdict", "total_cost_usd", "cost_usd", "inference_cost_usd", "accelerator_hours", "energy_kwh") if key in values
    ]
    tables = [_parts_table(bill, laws)] if request.accelerator is None and bill.flops is not None else []
    for table in tables if request.price_per_accelerator_hour_usd is None else []:
        values |= _cheapest(table)
        headline += ["cheapest_accelerator", "cheapest_cost_usd"]
    return Result(
        tool="cost",
        task="cost",
        headline=headline,
        values=values,
        tables=tables,
        assumptions=bill.assumptions,
        warnings=bill.notices,
        reasons=_reasons(bill, hours),
        feasible=feasible,
    )


def _compute(bill: _Bill) -> None:
    """Training FLOP of the request, from what it states."""
    request = bill.request
    mixture = request.params_total is not None and (request.n_experts or 1.0) > 1.0
    shape = request.shape() if request.model or mixture else None
    active = request.params_active or (count_params(shape).active if shape else request.params_total)
    bill.active = active
    if request.compute_flops is not None:
        bill.flops = request.compute_flops
        return
    tokens = request.tokens
    if tokens is None and request.tokens_per_param is not None and active is not None:
        tokens = request.tokens_per_param * active
    if tokens is None and shape is not None and shape.training_tokens and request.accelerator_hours is None:
        tokens = shape.training_tokens
        bill.assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source=f"what {shape.name} was trained on"))
    bill.tokens = tokens
    if active is not None and tokens is not None:
        bill.flops, bill.flops_formula = FLOPS_PER_PARAM_TOKEN * active * tokens, f"6 x {active:.4g} active params x {tokens:.4g} tokens"


def _hours(bill: _Bill, laws: LawBook) -> Value | None:
    """Accelerator-hours: stated, hardware x time, or compute over the rate; None where nothing tells them."""
    request, part = bill.request, bill.part
    if request.accelerator_hours is not None:
        low, high = request.accelerator_hours_low, request.accelerator_hours_high
        spread: dict[str, Any] = {} if low is None or high is None else {"low": low, "high": high, "level": 0.9, "interval_basis": "MFU"}
        return Value(value=request.accelerator_hours, unit="h", label="accelerator-hours", source="the question", **spread)
    if bill.flops is None:
        if request.n_accelerators is None or request.duration_seconds is None:
            return None
        return Value(
            value=request.n_accelerators * request.duration_seconds / HOUR,
            unit="h",
            label="accelerator-hours",
            formula="n x time",
            inputs={"n_accelerators": request.n_accelerators, "duration_seconds": request.duration_seconds},
            source="the question",
        )
    dtype, peak = _precision(request, part)
    if request.mfu is not None:
        share, low, high, source = request.mfu, request.mfu, request.mfu, "the question"
    else:
        share, low, high, source = _predicted_mfu(bill, part, dtype, laws)
        bill.assumptions.append(Assumption(field="mfu", value=share, source=source))
    hours = bill.flops / (peak * share * HOUR)
    exact = low == high
    return Value(
        value=hours,
        unit="h",
        label="accelerator-hours",
        low=None if exact else hours * share / high,
        high=None if exact else hours * share / low,
        level=None if exact else 0.9,
        interval_basis="" if exact else "MFU",
        formula="C / (peak x MFU x 3600)",
        inputs={"compute_flops": bill.flops, "peak_flops": peak, "mfu": share, "accelerator": part.id},
        source=source,
    )


def _precision(request: CostRequest, part: Accelerator) -> tuple[str, float]:
    """Matmul precision of the run, the part's own where none but the default is told, and the 16-bit peak that MFU refers to."""
    usual, peak = training_peak(part)
    return (usual if request.dtype == "bf16" else request.dtype), peak


def _predicted_mfu(bill: _Bill, part: Accelerator, dtype: str, laws: LawBook) -> tuple[float, float, float, str]:
    """MFU of the very run where size and tokens are known, as `wall_clock` predicts it; else the typical one on the part."""
    request = bill.request
    tokens = bill.tokens or request.tokens or (bill.flops / (FLOPS_PER_PARAM_TOKEN * bill.active) if bill.flops and bill.active else None)
    if tokens is not None and bill.active is not None:
        found = of_run(request.shape(), part, dtype, bill.active, tokens, request.n_accelerators, laws, bill.profile)
        if found is not None:
            return found.mfu, found.low, found.high, source_of(bill.profile)
    return typical_mfu(part.id, dtype, bill.active, request.n_accelerators, bill.profile)


def _dollars(bill: _Bill, hours: Value) -> Value:
    """Hours x price, with both ranges joined as independent errors of the logarithm."""
    price, usd = bill.price, hours.number * bill.price.number
    low = _join(usd, (hours.low, hours.number), (price.low, price.number))
    high = _join(usd, (hours.high, hours.number), (price.high, price.number))
    basis = " and ".join(name for name, value in (("MFU", hours), ("price range", price)) if value.low is not None)
    return Value(
        value=usd,
        unit="USD",
        label="training cost" if bill.flops is not None else "bill",
        quantity="usd",
        low=low,
        high=high,
        level=0.9 if basis else None,
        interval_basis=basis,
        formula="accelerator-hours x price per hour",
        inputs={"accelerator_hours": hours.number, "usd_per_hour": price.number},
        source=price.source,
    )


def _join(centre: float, *bounds: tuple[float | None, float]) -> float | None:
    """A bound of a product from the bounds of its factors, (bound, centre) each; None where no factor has one."""
    away = [math.log(bound / middle) for bound, middle in bounds if bound is not None]
    return centre * math.exp(math.copysign(math.hypot(*away), sum(away))) if away else None


def _time(bill: _Bill, hours: Value) -> dict[str, Value]:
    """Days on the stated number of accelerators, where one is stated and the time is not."""
    request = bill.request
    if request.n_accelerators is None or request.duration_seconds is not None:
        return {}
    scale = HOUR / DAY / request.n_accelerators
    return {
        "days": Value(
            value=hours.number * scale,
            unit="days",
            label=f"on {request.n_accelerators:g} accelerators, all busy",
            formula="hours / n / 24",
            low=hours.low * scale if hours.low else None,
            high=hours.high * scale if hours.high else None,
            level=hours.level,
            interval_basis=hours.interval_basis,
        )
    }


def _serving(bill: _Bill, training: Value | None) -> dict[str, Value]:
    """Dollars of the stated demand at full load on the same part, and the total."""
    request = bill.request
    if request.inference_tokens is None:
        return {}
    from tools.systems.serving import fewest_devices
    from tools.systems.serving_case import precision_for
    from tools.systems.serving_price import INTERACTIVE, cheapest

    shape = request.shape()
    bits = request.weight_bits or 16.0
    if request.weight_bits is None:
        bill.assumptions.append(Assumption(field="weight_bits", value=bits, unit="bits", source="weights served as trained"))
    how = precision_for(bits, bill.part)
    try:
        fewest_devices(shape, bill.part, how)
        price = cheapest(shape, bill.part, how, INTERACTIVE, bill.price.number)
    except InputError as error:
        bill.notices.append(Notice(text=f"Serving is not in the bill: {error}."))
        return {}
    scale = request.inference_tokens / 1e6
    low = _join(price.usd * scale, (price.low, price.usd), (bill.price.low, bill.price.number))
    high = _join(price.usd * scale, (price.high, price.usd), (bill.price.high, bill.price.number))
    served = Value(
        value=price.usd * scale,
        unit="USD",
        label=f"serving {in_words(request.inference_tokens, 'tokens')} tokens at full load",
        quantity="usd",
        low=low,
        high=high,
        level=0.9,
        interval_basis="serving estimate and price range",
        formula="price per million output tokens x tokens / 1e6",
        inputs={
            "price_per_million_tokens_usd": price.usd,
            "inference_tokens": request.inference_tokens,
            "n_accelerators": price.serving.devices,
        },
    )
    found = {"inference_cost_usd": served}
    if training is not None:
        found["total_cost_usd"] = Value(
            value=training.number + served.number,
            unit="USD",
            label="training and serving",
            quantity="usd",
            formula="training + serving",
            low=(training.low or training.number) + (low or 0.0),
            high=(training.high or training.number) + (high or 0.0),
            level=0.9,
            interval_basis="sum of both ranges (the price moves them together)",
        )
    return found


def _verdict(bill: _Bill, values: dict[str, Value]) -> bool:
    """Say whether the stated budget is enough, and what it buys where it is not."""
    budget = bill.request.budget_usd
    bound = values.get("total_cost_usd") or values.get("cost_usd") or values.get("inference_cost_usd")
    if budget is None or bound is None:
        return True
    low, high = bound.low or bound.number, bound.high or bound.number
    enough = bound.number <= budget * 1.005  # a plan that spends the whole budget is not short of it by rounding
    text = (
        "Yes, it is enough"
        if high <= budget
        else "Just enough by the best estimate"
        if enough and bound.number > 0.95 * budget
        else "Probably enough"
        if enough
        else "Probably not enough"
        if low <= budget
        else "No, it is not enough"
    )
    values["verdict"] = Value(value=text, label="budget", inputs={"budget_usd": budget})
    if not enough:
        bill.notices.append(
            Notice(
                level="conflict" if low > budget else "caution",
                text=f"${budget:,.0f} is stated, about ${bound.number:,.0f} is needed ({budget / bound.number:.0%} of it is there).",
            )
        )
        tokens, training = bill.request.tokens, values.get("cost_usd")
        if tokens is not None and training is not None and bill.request.inference_tokens is None:
            values["affordable_tokens"] = Value(
                value=tokens * budget / training.number,
                unit="tokens",
                label="tokens the budget pays for",
                quantity="tokens",
                formula="tokens x budget / cost",
            )
    return enough or low <= budget


def _reasons(bill: _Bill, hours: Value | None) -> list[str]:
    request = bill.request
    by_profile = bill.profile is not None and hours is not None and hours.source == source_of(bill.profile)
    return [
        *([corrected_by(bill.profile)] if bill.profile and by_profile else []),
        "The price is the one stated."
        if request.price_per_accelerator_hour_usd is not None
        else "No price is stated: the one used is of the market, and its range is wide; a price of your own replaces it.",
        "Storage, network, staff and failed runs are not in the bill.",
    ]


def _cheapest(table: Table) -> dict[str, Value]:
    """The first row of the parts compared, with the span of its price."""
    name, _, _, _, bill, low, high = table.rows[0]
    return {
        "cheapest_accelerator": Value(value=name, label="cheapest of the parts compared"),
        "cheapest_cost_usd": Value(
            value=bill,
            unit="USD",
            label="the same run there",
            formula="accelerator-hours x price",
            low=float(low or 0.0),
            high=float(high or 0.0),
            level=0.9,
            interval_basis="price range",
        ),
    }


def _parts_table(bill: _Bill, laws: LawBook) -> Table:
    """The same compute on other parts at the usual prices, cheapest first."""
    rows: list[list[Number]] = []
    for name in COMPARED:
        part = accelerator(name)
        price, _ = price_per_hour(part, None)
        dtype, peak = _precision(bill.request, part)
        share = bill.request.mfu or _predicted_mfu(bill, part, dtype, laws)[0]
        hours = (bill.flops or 0.0) / (peak * share * HOUR)
        rows.append([name, share, hours, price.number, hours * price.number, hours * (price.low or 0.0), hours * (price.high or 0.0)])
    rows.sort(key=lambda row: float(row[4] or 0.0))
    columns = [
        Column(name="accelerator"),
        Column(name="mfu", label="MFU"),
        Column(name="accelerator_hours", label="hours", unit="h"),
        Column(name="price_per_accelerator_hour_usd", label="price per hour", unit="USD"),
        Column(name="cost_usd", label="bill", unit="USD"),
        Column(name="low", unit="USD"),
        Column(name="high", unit="USD"),
    ]
    return Table(
        name="by_accelerator",
        title="The same run on other accelerators",
        columns=columns,
        rows=rows,
        note="prices of the market; flopwise explain of a part, or its card, tells their sources and dates",
    )
