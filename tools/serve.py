"""`serve`: speed, memory, price and hardware of running a trained model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.hardware import Accelerator, accelerator
from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools import _serve_report as report
from tools.budget import DEFAULT_ACCELERATOR, price_per_hour
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Table, Value
from tools.systems.planning import shape_for
from tools.systems.serving import USUAL_TPOT, Load, Serving, default_family, devices_for_rate, estimate, fewest_devices, interactive
from tools.systems.serving_case import OUTPUT, PROMPT, Precision, fits, precision_for, replica
from tools.systems.serving_efficiency import serving_family
from tools.systems.serving_price import cheapest, max_params_for_price

NEEDS = (
    ("model",),
    ("params_total",),
    ("params_active",),
    ("price_per_million_tokens_usd", "accelerator"),
    ("latency_ms_per_token", "accelerator"),
)
_SIZES = (1e7, 1e13)  # between which the largest model that keeps a limit is sought
# Parts compared when none is named: those the serving calibration knows at least by their generation.
COMPARED = ("l4", "l40s", "rtx-4090", "a100-80gb", "h100-sxm", "h200", "mi300x", "b200")


class ServeRequest(ToolRequest):
    """A model, the machine and the load; fields and units of the brief, and the options of serving."""

    model: str | None = Field(default=None, description="known model; params_total then follows")
    params_total: float | None = Field(default=None, gt=0, le=1e15)
    params_active: float | None = Field(default=None, gt=0)
    weight_bits: float | None = Field(default=None, ge=1, le=32)
    kv_bits: float | None = Field(default=None, ge=2, le=32)
    accelerator: str | None = None
    n_accelerators: float | None = Field(default=None, ge=1, le=1e6)
    memory_bytes: float | None = Field(default=None, gt=0, description="limit of the device or deployment")
    input_tokens: float | None = Field(default=None, ge=1, le=1e8)
    output_tokens: float | None = Field(default=None, ge=1, le=1e8)
    sequence_length: float | None = Field(default=None, ge=2, le=1e8)
    concurrency: float | None = Field(default=None, ge=1, le=1e9)
    latency_ms_per_token: float | None = Field(default=None, gt=0)
    inference_tokens_per_second: float | None = Field(default=None, gt=0)
    inference_tokens: float | None = Field(default=None, gt=0)
    price_per_million_tokens_usd: float | None = Field(default=None, gt=0)
    price_per_accelerator_hour_usd: float | None = Field(default=None, gt=0)
    framework: str | None = Field(default=None, description="serving software, for example vLLM 0.9 or TensorRT-LLM")
    cached_tokens: float = Field(default=0, ge=0, description="prompt tokens found in the prefix cache")
    draft_tokens: int = Field(default=0, ge=0, le=16, description="tokens a draft proposes per step (speculative decoding); 0 is off")
    acceptance_rate: float = Field(default=0.7, ge=0, lt=1, description="probability that one drafted token is accepted")


@dataclass
class Plan:
    """A request with its gaps filled."""

    request: ServeRequest
    shape: ModelShape
    part: Accelerator
    how: Precision
    load: Load
    family: str
    price: Value | None
    assumptions: list[Assumption] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    feasible: bool = True

    def assume(self, name: str, value: float | str, source: str, unit: str = "") -> None:
        """Note a default that was filled in."""
        self.assumptions.append(Assumption(field=name, value=value, unit=unit, source=source))


@tool(task="serve", title="How fast and at what price a model is served", needs=NEEDS)
def serve(request: ServeRequest, laws: LawBook) -> Result:
    """Throughput, latency, memory, accelerators and price of serving, with 90% intervals from measurements the calibration had not seen.

    Roofline of Pope et al. 2022 (arXiv:2211.05102), calibrated (evals/calibrate_serving.py). Raises InputError or MissingInput.
    """
    if request.model is None and request.params_total is None and request.params_active is None:
        only_latency = request.price_per_million_tokens_usd is None and request.latency_ms_per_token is not None
        return _size_for_latency(request) if only_latency and request.accelerator is not None else _size_for_price(request)
    plan = _plan(request)
    if request.accelerator is None and request.memory_bytes is not None:
        return report.memory_only(plan)
    if request.accelerator is None:
        _choose_part(plan)
    devices = _devices(plan)
    if devices is None or not _fitting(plan, devices):
        return report.misfit(plan, devices)
    bound = interactive(plan.shape, plan.part, devices, plan.how, plan.load, plan.family)
    if bound is not plan.load:
        plan.load = bound
        plan.assume(
            "latency_ms_per_token",
            USUAL_TPOT * 1e3,
            "at most, about the pace of reading; more users at once would be slower and cheaper",
            "ms",
        )
    served = estimate(plan.shape, plan.part, devices, plan.how, plan.load, plan.family)
    return report.answer(plan, served)


def _plan(request: ServeRequest) -> Plan:
    shape = shape_for(request.model, request.params_total or request.params_active, request.params_active)
    part = accelerator(request.accelerator or DEFAULT_ACCELERATOR)
    if request.memory_bytes is not None and request.accelerator is not None and request.memory_bytes < part.memory_bytes:
        part = part.model_copy(update={"memory_bytes": request.memory_bytes})
    plan = Plan(request, shape, part, precision_for(16, part), Load(), "", None)
    plan.how = _precision(plan)
    plan.load = _load(plan)
    plan.family = serving_family(request.framework) if request.framework else default_family(part)
    if request.framework is None:
        plan.assume("framework", plan.family, "usual serving software on this part")
    plan.price = _price(plan)
    return plan


def _precision(plan: Plan) -> Precision:
    """Stated bits, else 16; where 16-bit weights do not fit the stated machine, the widest of 8 and 4 that does."""
    request, part = plan.request, plan.part
    if request.weight_bits is not None:
        return precision_for(request.weight_bits, part, kv_bits=request.kv_bits)
    choices = [precision_for(bits, part, kv_bits=request.kv_bits) for bits in (16, 8, 4)]
    devices = request.n_accelerators or (1.0 if request.memory_bytes is not None else None)
    how, source = choices[0], "weights as trained"
    if devices is not None and request.memory_bytes is None and not _holds(plan, choices[0], devices):
        narrower = [how for how in choices[1:] if _holds(plan, how, devices)]
        if narrower:
            how, source = narrower[0], f"the most bits whose weights fit in {devices:g} x {part.id}"
    plan.assume("weight_bits", how.weight_bits, source, "bits")
    return how


def _choose_part(plan: Plan) -> None:
    """The default part, or the cheapest of those compared where a rate or a latency is asked for and no part is named."""
    table = report.parts_table(plan, COMPARED)
    plan.tables.append(table)
    source = "flopwise default when none is named; others are in the table"
    if table.rows and (_target_rate(plan) is not None or plan.request.latency_ms_per_token is not None):
        plan.part = accelerator(str(table.rows[0][0]))
        plan.how = precision_for(plan.how.weight_bits, plan.part, kv_bits=plan.request.kv_bits)
        plan.family = serving_family(plan.request.framework) if plan.request.framework else default_family(plan.part)
        plan.assumptions = [item for item in plan.assumptions if item.field not in ("framework", "price_per_accelerator_hour_usd")]
        plan.assume("framework", plan.family, "usual serving software on this part")
        plan.price = _price(plan)
        source = "the lowest price per token of those compared, at their usual prices"
    plan.assume("accelerator", plan.part.id, source)


def _holds(plan: Plan, how: Precision, devices: float) -> bool:
    return fits(replica(plan.shape, plan.part, how, devices))


def _load(plan: Plan) -> Load:
    request = plan.request
    prompt, output = request.input_tokens, request.output_tokens
    if request.sequence_length is not None and (prompt is None or output is None):
        output = output or max(1.0, min(OUTPUT, request.sequence_length / 4))
        prompt = prompt or max(1.0, request.sequence_length - output)
    for name, stated, value in (
        ("input_tokens", request.input_tokens, prompt or PROMPT),
        ("output_tokens", request.output_tokens, output or OUTPUT),
    ):
        if stated is None:
            plan.assume(name, value, "the stated context, a chat's answer of it" if request.sequence_length else "a chat turn", "tokens")
    limit = math.inf if request.latency_ms_per_token is None else request.latency_ms_per_token / 1e3
    return Load(prompt or PROMPT, output or OUTPUT, request.concurrency, limit, min(request.cached_tokens, (prompt or PROMPT) - 1))


def _price(plan: Plan) -> Value | None:
    try:
        price, assumed = price_per_hour(plan.part, plan.request.price_per_accelerator_hour_usd)
    except InputError as error:
        plan.notices.append(Notice(level="info", text=f"No price per token: {error.problem}."))
        return None
    plan.assumptions += assumed
    return price


def _target_rate(plan: Plan) -> float | None:
    """Output tokens/s all users need together, as stated or as concurrency over latency."""
    request = plan.request
    if request.inference_tokens_per_second is not None:
        return request.inference_tokens_per_second
    if request.concurrency is not None and request.latency_ms_per_token is not None:
        return request.concurrency * 1e3 / request.latency_ms_per_token
    return None


def _devices(plan: Plan) -> float | None:
    """Accelerators to estimate for: stated, or fewest for the target rate, or fewest that fit; None where no number would do."""
    request, target = plan.request, _target_rate(plan)
    if request.n_accelerators is not None:
        if target is not None:
            report.add_needed(plan, target, _needed(plan, target))
        return float(request.n_accelerators)
    try:
        if target is not None:
            count, unit = devices_for_rate(plan.shape, plan.part, plan.how, plan.load, target, plan.family)
            report.add_needed(plan, target, (count, unit))
            return float(count)
        if request.price_per_million_tokens_usd is not None and plan.price is not None:
            return cheapest(plan.shape, plan.part, plan.how, plan.load, plan.price.number, plan.family).serving.devices
        count = fewest_devices(
            plan.shape, plan.part, plan.how, context=plan.load.prompt + plan.load.output, sequences=request.concurrency or 1.0
        )
        while request.latency_ms_per_token is not None and count < 8 and _slow(plan, count):
            count *= 2
    except InputError as error:
        plan.notices.append(Notice(level="warning", text=f"{error}."))
        return None
    plan.assume(
        "n_accelerators",
        count,
        "fewest that hold the model and its cache" + (" within the latency" if request.latency_ms_per_token else ""),
    )
    return float(count)


def _slow(plan: Plan, count: int) -> bool:
    one = estimate(plan.shape, plan.part, count, plan.how, replace(plan.load, concurrency=1.0), plan.family)
    return one.tpot_s > plan.load.tpot_limit


def _needed(plan: Plan, target: float) -> tuple[int, Serving] | None:
    try:
        return devices_for_rate(plan.shape, plan.part, plan.how, plan.load, target, plan.family)
    except InputError as error:
        plan.notices.append(Notice(level="warning", text=f"{error}."))
        return None


def _fitting(plan: Plan, devices: float) -> bool:
    try:
        return fewest_devices(plan.shape, plan.part, plan.how) <= devices or _holds(plan, plan.how, devices)
    except InputError:
        return False


def _size_for_price(request: ServeRequest) -> Result:
    """The largest dense model whose price per million output tokens meets the limit."""
    if request.price_per_million_tokens_usd is None or request.accelerator is None:
        raise MissingInput(NEEDS, "serving")
    part = accelerator(request.accelerator)
    price, assumed = price_per_hour(part, request.price_per_accelerator_hour_usd)
    limit = USUAL_TPOT if request.latency_ms_per_token is None else request.latency_ms_per_token / 1e3
    load = Load(request.input_tokens or PROMPT, request.output_tokens or OUTPUT, request.concurrency, limit)
    widths = [request.weight_bits] if request.weight_bits is not None else [16.0, 8.0, 4.0]
    sizes = {
        bits: max_params_for_price(request.price_per_million_tokens_usd, part.id, bits, usd_per_hour=price.number, load=load)
        for bits in widths
    }
    limit = ("price_per_million_tokens_usd", request.price_per_million_tokens_usd, "price per million output tokens at full load = limit")
    return report.largest(part, sizes, limit, price, load, assumed)


def _size_for_latency(request: ServeRequest) -> Result:
    """The largest dense model that gives each of the stated users (one, where none are) a token within the limit."""
    part, devices = accelerator(request.accelerator or DEFAULT_ACCELERATOR), request.n_accelerators or 1.0
    price, _ = price_per_hour(part, request.price_per_accelerator_hour_usd)
    assumed: list[Assumption] = []
    limit, users = (request.latency_ms_per_token or 0.0) / 1e3, request.concurrency or 1.0
    if request.n_accelerators is None:
        assumed.append(Assumption(field="n_accelerators", value=devices, source="not stated"))
    if request.concurrency is None:
        assumed.append(Assumption(field="concurrency", value=users, source="not stated: one user at a time; more make each token slower"))
    load = Load(request.input_tokens or PROMPT, request.output_tokens or OUTPUT, users)
    widths = [request.weight_bits] if request.weight_bits is not None else [16.0, 8.0, 4.0]
    found = {bits: _largest_within(part, devices, bits, load, limit) for bits in widths}
    sizes = {bits: size for bits, size in found.items() if size is not None}
    if not sizes:
        problem = f"no model gives {users:g} users a token within {limit * 1e3:g} ms on {devices:g} x {part.id}"
        raise InputError("latency_ms_per_token", problem, "raise the limit, or take more or faster accelerators")
    return report.largest(part, sizes, ("latency_ms_per_token", limit * 1e3, "time per token of every user = limit"), price, load, assumed)


def _largest_within(part: Accelerator, devices: float, bits: float, load: Load, limit: float) -> float | None:
    """Largest params_total that fits and keeps the time per token, to within 1%: bisection in logs, as the time rises with size."""
    how, family = precision_for(bits, part), default_family(part)

    def keeps(size: float) -> bool:
        shape = shape_for(None, size)
        try:
            return fewest_devices(shape, part, how) <= devices and estimate(shape, part, devices, how, load, family).tpot_loaded_s <= limit
        except InputError:
            return False

    low, high = _SIZES
    if not keeps(low):
        return None
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low
