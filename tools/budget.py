"""Training compute from whatever a question states: FLOPs, money, accelerator-hours, or hardware and time."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape
from tools.convert import HOUR, days_in_words, in_words
from tools.registry import ToolRequest
from tools.result import Assumption, Notice, Value
from tools.systems.planning import shape_for

DEFAULT_ACCELERATOR = "h100-sxm"
_TRAINING_DTYPES = ("bf16", "fp16", "fp32")


@dataclass
class Budget:
    """Compute to spend, with what it was derived from. `flops` is None when the question states none of the ways."""

    flops: Value | None
    assumptions: list[Assumption] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class ComputeFields(ToolRequest):
    """The fields by which a question may state compute: FLOP, hours, or hardware and time; names and units of the brief."""

    compute_flops: float | None = Field(default=None, gt=0)
    accelerator_hours: float | None = Field(default=None, gt=0)
    accelerator: str | None = None
    n_accelerators: float | None = Field(default=None, ge=1, le=1e7)
    duration_seconds: float | None = Field(default=None, gt=0)
    mfu: float | None = Field(default=None, gt=0, le=1)


class BudgetFields(ComputeFields):
    """What a question can spend: compute, or money that buys it."""

    budget_usd: float | None = Field(default=None, gt=0)
    price_per_accelerator_hour_usd: float | None = Field(default=None, gt=0)


class ModelFields(ToolRequest):
    """A model by name, or by its size and experts."""

    model: str | None = Field(default=None, description="known model; params_total then follows")
    params_total: float | None = Field(default=None, gt=0, le=1e15)
    params_active: float | None = Field(default=None, gt=0)
    n_experts: float | None = Field(default=None, ge=1)
    experts_per_token: float | None = Field(default=None, ge=1)

    def shape(self, params: float | None = None) -> ModelShape:
        """The named model, or one designed for the size told or given. Raises InputError when there is neither."""
        size = params or self.params_total or self.params_active
        return shape_for(self.model, size, self.params_active, n_experts=self.n_experts, experts_per_token=self.experts_per_token)


class RunFields(ModelFields, ComputeFields):
    """A training run: its model and data, and the compute it takes."""

    tokens: float | None = Field(default=None, gt=0)
    accelerator_hours_low: float | None = Field(
        default=None, gt=0, description="low end of the 90% interval of accelerator_hours, where it has one"
    )
    accelerator_hours_high: float | None = Field(default=None, gt=0, description="high end of that interval")
    dtype: str = Field(default="bf16", description="precision of the matmuls: bf16, fp16, fp8, fp4 or fp32")


def assumed_accelerator(part: Accelerator) -> Assumption:
    """The note that an accelerator was filled in."""
    return Assumption(field="accelerator", value=part.id, source="flopwise default when none is named")


def training_peak(part: Accelerator) -> tuple[str, float]:
    """Matmul dtype a dense pretraining run would use on a part and its dense peak, FLOP/s."""
    for dtype in _TRAINING_DTYPES:
        if dtype in part.peak_dense_flops:
            return dtype, part.peak_dense_flops[dtype]
    raise InputError("accelerator", f"{part.id} has no training peak on its card", "use an accelerator with bf16, fp16 or fp32")


def price_per_hour(part: Accelerator, stated: float | None) -> tuple[Value, list[Assumption]]:
    """USD per accelerator-hour: the stated price, else the card's typical one or the middle of its range, with the range as interval."""
    if stated is not None:
        return Value(value=stated, unit="USD/h", label="price per accelerator-hour", source="the question"), []
    low, high = part.price_low_usd_per_hour, part.price_high_usd_per_hour
    middle = part.price_usd_per_hour
    if middle is None:
        raise InputError(
            "price_per_accelerator_hour_usd", f"the base has no price for {part.id}", "state one, for example $2.50 per GPU-hour"
        )
    basis = part.price_basis or "price range of the accelerator card"
    how = "typical" if part.price_typical_usd_per_hour else "geometric middle"
    value = Value(
        value=middle,
        unit="USD/h",
        label="price per accelerator-hour",
        low=low,
        high=high,
        level=0.9,
        interval_basis="price range",
        source=basis,
    )
    return value, [
        Assumption(
            field="price_per_accelerator_hour_usd",
            value=middle,
            unit="USD/h",
            source=f"{how} of {low:g} to {high:g}: {basis}",
        )
    ]


def compute_from_hours(hours: Value, part: Accelerator, mfu: float | None) -> tuple[Value, list[Assumption]]:
    """FLOP = hours x 3600 x dense peak x MFU, the interval of MFU and of hours carried over as independent log errors."""
    dtype, peak = training_peak(part)
    assumed: list[Assumption] = []
    if mfu is None:
        from tools.systems.mfu import typical_mfu

        share, low, high, source = typical_mfu(part.id, dtype, None)
        assumed.append(Assumption(field="mfu", value=share, source=source))
    else:
        share, low, high = mfu, mfu, mfu
    centre = hours.number * HOUR * peak
    h_low, h_high = hours.low or hours.number, hours.high or hours.number
    exact = low == high and h_low == h_high
    return Value(
        value=centre * share,
        unit="FLOP",
        label="training compute",
        quantity="flops",
        low=None if exact else _spread(centre * share, (low / share, h_low / hours.number), -1),
        high=None if exact else _spread(centre * share, (high / share, h_high / hours.number), 1),
        level=None if exact else 0.9,
        interval_basis="" if exact else "MFU and price ranges",
        formula="C = accelerator-hours x 3600 x peak x MFU",
        inputs={"accelerator_hours": hours.value, "peak_flops": peak, "mfu": share, "accelerator": part.id},
    ), assumed


def _spread(centre: float, ratios: tuple[float, float], sign: int) -> float:
    """Independent relative errors combined in logs: exp of the root sum of squares."""
    from math import exp, log

    return centre * exp(sign * sum(log(r) ** 2 for r in ratios) ** 0.5)


def budget_of(spend: BudgetFields) -> Budget:
    """Training compute a question can spend. Several stated ways are compared and a contradiction is reported with both numbers."""
    assumed: list[Assumption] = []
    ways: list[Value] = []
    hours = _hours(spend, assumed)
    if hours:
        part = accelerator(spend.accelerator or DEFAULT_ACCELERATOR)
        if spend.accelerator is None:
            assumed.append(assumed_accelerator(part))
        for value in hours:
            flops, more = compute_from_hours(value, part, spend.mfu)
            ways.append(flops.model_copy(update={"note": value.note}))
            assumed += [item for item in more if item not in assumed]
    if spend.compute_flops is not None:
        stated = Value(value=spend.compute_flops, unit="FLOP", label="training compute", quantity="flops", source="the question")
        return Budget(stated, assumed if ways else [], [n for way in ways if (n := _conflict(spend.compute_flops, way, spend.mfu))])
    if not ways:
        return Budget(None)
    tightest = min(ways, key=lambda way: way.number)
    notices = [Notice(level="info", text=f"Several limits are stated; the tightest is {tightest.note}.")] if len(ways) > 1 else []
    return Budget(tightest, assumed, notices)


def _hours(spend: BudgetFields, assumed: list[Assumption]) -> list[Value]:
    """Accelerator-hours by every stated way; the price of one is assumed where money is stated without it."""
    found: list[Value] = []
    n, seconds, usd = spend.n_accelerators, spend.duration_seconds, spend.budget_usd
    if spend.accelerator_hours is not None:
        found.append(Value(value=spend.accelerator_hours, unit="h", note="the accelerator-hours"))
    if n is not None and seconds is not None:
        cluster = "one accelerator" if n == 1 else f"{n:g} accelerators"
        found.append(Value(value=n * seconds / HOUR, unit="h", note=f"{cluster} for {days_in_words(seconds)}"))
    if usd is not None:
        per_hour, more = price_per_hour(accelerator(spend.accelerator or DEFAULT_ACCELERATOR), spend.price_per_accelerator_hour_usd)
        assumed += more
        low = usd / per_hour.high if per_hour.high else None
        high = usd / per_hour.low if per_hour.low else None
        found.append(Value(value=usd / per_hour.number, unit="h", note=f"the budget of ${usd:,.0f}", low=low, high=high))
    return found


def _conflict(stated: float, way: Value, mfu: float | None) -> Notice | None:
    """A stated compute that the stated hardware, hours or money cannot deliver, even at full peak when MFU is free."""
    centre = way.number
    ceiling = centre if mfu is not None else centre / float(way.inputs["mfu"])
    if stated <= ceiling * 1.02:
        return None
    at = f"at MFU {mfu:g}" if mfu is not None else "even at full peak"
    return Notice(
        level="conflict",
        text=f"The question asks for {in_words(stated)} FLOP; {way.note}: at most {in_words(ceiling)} FLOP {at}. "
        f"That is {in_words(float(f'{stated / ceiling:.3g}'))} times too little.",
    )
