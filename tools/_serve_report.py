"""Values, tables and verdicts of the serving tool."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from tools.convert import HOUR, in_words
from tools.result import Alternative, Assumption, Column, Notice, Number, Result, Table, Value
from tools.systems.kv_cache import kv_bytes, kv_bytes_per_token, weight_bytes
from tools.systems.power import POWER_SOURCE, watts
from tools.systems.serving import LEVEL, SOURCE, Deployment, Load, Serving, estimate_many, fewest_devices
from tools.systems.serving_case import RESERVE, WEIGHTS_ONLY, fits, how_served, precision_for, replica
from tools.systems.serving_price import Offer, cheapest_each, middle_price, price_of, usd_per_million
from tools.systems.speculation import expected_tokens, speculative_rate

if TYPE_CHECKING:
    from tools.serve import Plan

_BASIS = "residuals of measurements the calibration had not seen"
_HEADLINE = (
    "feasibility",
    "inference_cost_usd",
    "n_accelerators",
    "output_tokens_per_second",
    "latency_ms_per_token",
    "time_to_first_token_ms",
    "price_per_million_tokens_usd",
    "max_concurrency",
    "weight_bytes",
    "kv_bytes_per_request",
    "kv_cache_bytes",
    "memory_bytes_needed",
)


def _memory(plan: Plan, devices: float, sequences: float, copies: float = 1.0) -> dict[str, Value]:
    """Weights and cache of the whole deployment, and what one token of context takes."""
    context = plan.load.prompt + plan.load.output
    weights, one = copies * weight_bytes(plan.shape, plan.how.stored_bits), kv_bytes(plan.shape, context, plan.how.kv_bits)
    inputs: dict[str, Any] = {
        "weight_bits": plan.how.stored_bits,
        "kv_bits": plan.how.kv_bits,
        "context_tokens": context,
        "sequences": sequences,
        "copies": copies,
    }
    return {
        "weight_bytes": Value(
            value=weights,
            unit="bytes",
            label="weights",
            quantity="bytes",
            formula="params x stored bits / 8, tables at 16 bits",
            inputs=inputs,
        ),
        "kv_cache_bytes": Value(
            value=one * sequences,
            unit="bytes",
            label="key-value cache of all sequences",
            quantity="bytes",
            formula="2 x layers x kv heads x head size x bytes x tokens (windows and latent attention counted)",
            inputs=inputs,
        ),
        "kv_bytes_per_request": Value(
            value=one, unit="bytes", label=f"cache of one request of {context:,.0f} tokens", quantity="bytes", inputs=inputs
        ),
        "kv_bytes_per_token": Value(
            value=kv_bytes_per_token(plan.shape, plan.how.kv_bits), unit="bytes", label="cache per token", quantity="bytes"
        ),
        "memory_bytes_needed": Value(
            value=(weights + one * sequences) / (1.0 - RESERVE),
            unit="bytes",
            label="memory needed",
            quantity="bytes",
            formula="(weights + cache) / (1 - reserve)",
            inputs={**inputs, "reserve": RESERVE, "n_accelerators": devices},
        ),
    }


def answer(plan: Plan, served: Serving) -> Result:
    """The result for a deployment that fits."""
    level: dict[str, Any] = {"level": LEVEL, "interval_basis": f"{_BASIS} ({served.familiarity} hardware and software)", "source": SOURCE}
    values = {
        "feasibility": Value(value=_verdict(plan, served), label="deployment"),
        **_speed(plan, served, level),
        "n_accelerators": plan.values.pop("n_accelerators", Value(value=served.devices, label=plan.part.name, quantity="count")),
        "layout": Value(value=_layout(served), label="layout"),
        **_memory(plan, served.devices, float(int(served.batch)), served.copies),
        **plan.values,
        **_money(plan, served, level),
        **_energy(plan, served),
    }
    _say_load(plan, served)
    plan.tables += [_load_table(plan, served), _bits_table(plan, served.devices)]
    reasons = ["Speed follows from bytes and arithmetic over what the part reaches in published measurements."]
    if plan.request.n_accelerators != 1:
        reasons.append("The layout is the fastest of those that fit.")
    return Result(
        tool="serve",
        task="serve",
        headline=[key for key in _HEADLINE if key in values],
        values=values,
        tables=plan.tables,
        alternatives=_options(plan, served),
        assumptions=plan.assumptions,
        warnings=plan.notices,
        feasible=plan.feasible,
        reasons=reasons,
    )


def _speed(plan: Plan, served: Serving, level: dict[str, Any]) -> dict[str, Value]:
    """Throughput and latencies with their intervals."""
    low, high = served.factors
    rate = served.output_tokens_per_s

    def milliseconds(seconds: float, label: str) -> Value:
        bounds = {"low": seconds * 1e3 / high, "high": seconds * 1e3 / low}
        return Value(value=seconds * 1e3, unit="ms", label=label, **bounds, **level)

    inputs: dict[str, Any] = {
        "accelerator": plan.part.id,
        "n_accelerators": served.devices,
        "input_tokens": plan.load.prompt,
        "output_tokens": plan.load.output,
        "batch": served.batch,
        "weight_bits": plan.how.weight_bits,
        "framework": served.family,
    }
    formula = "batch x output / (prefill + output x step)"
    bounds = {"low": rate * low, "high": rate * high}
    step = milliseconds(served.tpot_s, "one decode step")
    step.formula = "weights + cache + collectives + host"
    step.inputs = {name: seconds * 1e3 for name, seconds in served.parts.items() if name != "total"}
    return {
        "output_tokens_per_second": Value(
            value=rate, unit="tokens/s", label="output of all users", formula=formula, inputs=inputs, **bounds, **level
        ),
        "latency_ms_per_token": milliseconds(served.tpot_loaded_s, "per token and user, others' prompts included"),
        "decode_ms_per_token": step,
        "time_to_first_token_ms": milliseconds(served.ttft_s, "time to the first token, no queue"),
        "max_concurrency": Value(
            value=float(int(served.batch_limit)),
            label="requests memory holds at once",
            quantity="count",
            formula="(memory x (1 - reserve) - weights) / cache of one sequence",
        ),
    }


def _layout(served: Serving) -> str:
    how = "experts spread over" if served.expert_parallel else "tensor parallel over"
    one = f"{how} {served.ranks:g}" if served.ranks > 1 else "one accelerator a copy"
    return one + (f", {served.copies:g} copies" if served.copies > 1 else "")


def _verdict(plan: Plan, served: Serving) -> str:
    limit, price = plan.load.tpot_limit, plan.request.price_per_million_tokens_usd
    if served.tpot_loaded_s > limit * 1.001:
        plan.feasible = False
        plan.notices.append(
            Notice(
                level="conflict",
                text=f"{served.devices:g} x {plan.part.id} need {served.tpot_loaded_s * 1e3:.3g} ms per token, "
                f"{limit * 1e3:.3g} ms are stated.",
            )
        )
        return "It fits, but not within the stated latency."
    if price is not None and plan.price is not None and price_of(served, plan.price.number).usd > price:
        plan.feasible = False
        return "It fits, but costs more per token than stated."
    wanted = plan.values.get("n_accelerators_needed")
    if wanted is not None and wanted.number > served.devices:
        plan.feasible = False
        return "It fits, but the stated rate needs more accelerators."
    return "It fits."


def _say_load(plan: Plan, served: Serving) -> None:
    wanted = plan.request.concurrency
    if wanted is not None and wanted > served.batch * 1.01:
        plan.notices.append(Notice(text=f"Of {wanted:g} concurrent requests {int(served.batch)} run at once; the others wait for memory."))
    if plan.how.unpacked and plan.how.weight_bits < 16:
        plan.notices.append(
            Notice(
                level="info",
                text=f"{plan.part.id} has no arithmetic for these weights: they are widened first, so narrow weights speed up small "
                "batches and not the arithmetic of large ones.",
            )
        )


def _money(plan: Plan, served: Serving, level: dict[str, Any]) -> dict[str, Value]:
    if plan.price is None:
        return {}
    price, per_hour = price_of(served, plan.price.number), plan.price
    low = combined(price.usd, (price.low / price.usd, (per_hour.low or per_hour.number) / per_hour.number))
    high = combined(price.usd, (price.high / price.usd, (per_hour.high or per_hour.number) / per_hour.number))
    basis: dict[str, Any] = {
        **level,
        "interval_basis": f"{level['interval_basis']}; price range" if per_hour.low else level["interval_basis"],
    }
    found = {
        "price_per_million_tokens_usd": Value(
            value=price.usd,
            unit="USD",
            label="per million output tokens at full load, prompts included",
            low=low,
            high=high,
            formula="n x price per hour / (tokens/s x 3600) x 1e6",
            inputs={"n_accelerators": served.devices, "usd_per_hour": per_hour.number},
            **basis,
        ),
        "price_per_accelerator_hour_usd": per_hour,
    }
    limit, total = plan.request.price_per_million_tokens_usd, plan.request.inference_tokens
    if limit is not None and price.usd > limit:
        plan.notices.append(Notice(level="conflict", text=f"The price is ${price.usd:.3g} per million tokens, ${limit:.3g} is stated."))
    if total is not None:
        found["inference_cost_usd"] = Value(
            value=price.usd * total / 1e6,
            unit="USD",
            label=f"for {in_words(total, 'tokens')} tokens at full load",
            quantity="usd",
            low=low * total / 1e6,
            high=high * total / 1e6,
            formula="price per million x tokens / 1e6",
            **basis,
        )
        found["accelerator_hours"] = Value(
            value=total / served.output_tokens_per_s * served.devices / HOUR, unit="h", label="accelerator-hours"
        )
    return found


def combined(centre: float, ratios: tuple[float, ...]) -> float:
    """A bound from independent relative errors of one sign: their logs' root sum of squares on the centre."""
    away = math.sqrt(sum(math.log(ratio) ** 2 for ratio in ratios))
    return centre * math.exp(away if max(ratios) > 1 else -away)


def _energy(plan: Plan, served: Serving) -> dict[str, Value]:
    joules = watts(plan.part, served.batch / served.copies) * served.devices / served.output_tokens_per_s
    return {
        "energy_joules_per_token": Value(
            value=joules,
            unit="J",
            label="electricity per output token, accelerators only",
            formula="power x n / tokens/s",
            source=POWER_SOURCE,
        )
    }


def _options(plan: Plan, served: Serving) -> list[Alternative]:
    """What speculative decoding would do, where asked for."""
    request = plan.request
    if request.draft_tokens == 0:
        return []
    rate = speculative_rate(served, request.draft_tokens, request.acceptance_rate)
    gain = Value(
        value=rate,
        unit="tokens/s",
        label="output of all users",
        formula="(1 - a^(g+1)) / (1 - a) tokens a step (Leviathan et al. 2023, eq. 1)",
        inputs={
            "acceptance_rate": request.acceptance_rate,
            "draft_tokens": request.draft_tokens,
            "tokens_per_step": expected_tokens(request.acceptance_rate, request.draft_tokens),
        },
        source=SOURCE,
    )
    return [
        Alternative(
            name="speculative decoding",
            values={"output_tokens_per_second": gain},
            note="Helps while weights are what a step waits for; costs throughput once arithmetic is.",
        )
    ]


def add_needed(plan: Plan, target: float, found: tuple[int, Serving] | None) -> None:
    """Record the accelerators a target rate needs."""
    if found is None:
        return
    count, unit = found
    label = f"{plan.part.name} for {target:,.0f} output tokens/s"
    needed = Value(
        value=count,
        label=label,
        quantity="count",
        low=_count(target, unit.high, unit.devices),
        high=_count(target, unit.low, unit.devices),
        level=LEVEL,
        interval_basis=_BASIS,
        formula="ceil(rate / rate of one deployment) x its accelerators",
        inputs={"tokens_per_second": target, "deployment": unit.devices, "deployment_tokens_per_second": unit.output_tokens_per_s},
    )
    plan.values["n_accelerators" if plan.request.n_accelerators is None else "n_accelerators_needed"] = needed


def _count(target: float, rate: float, devices: float) -> float:
    return float(-(-target // rate) * devices)


def misfit(plan: Plan, devices: float | None) -> Result:
    """The result for a model that does not fit, with what would."""
    plan.assumptions = [item for item in plan.assumptions if item.field in ("accelerator", "weight_bits")]
    count = devices or plan.request.n_accelerators or 1.0
    one = replica(plan.shape, plan.part, plan.how, count)
    missing = one.stored_bytes - count * plan.part.memory_bytes * (1.0 - RESERVE)
    values = _memory(plan, count, plan.request.concurrency or 1.0)
    if missing > 0:
        plan.notices.append(
            Notice(
                level="conflict",
                text=f"Weights of {one.stored_bytes / 1e9:.4g} GB exceed the {count * plan.part.memory_bytes / 1e9:.4g} GB of {count:g} x "
                f"{plan.part.id} (less {RESERVE:.0%} for buffers) by {missing / 1e9:.3g} GB.",
            )
        )
        values["missing_bytes"] = Value(value=missing, unit="bytes", label="too much", quantity="bytes")
    values = {
        "feasibility": Value(value="No, it does not fit." if missing > 0 else "No deployment keeps the stated limits.", label="verdict"),
        **values,
        **plan.values,
    }
    bits = _most_bits(plan, count)
    if bits is not None:
        values["weight_bits_that_fit"] = Value(value=bits, unit="bits", label="most weight bits that fit", quantity="bits")
    try:
        values["n_accelerators_that_fit"] = Value(
            value=fewest_devices(plan.shape, plan.part, plan.how), label=f"{plan.part.name} that hold it", quantity="count"
        )
    except InputError as error:
        plan.notices.append(Notice(level="info", text=f"{error}."))
    return Result(
        tool="serve",
        task="serve",
        headline=[k for k in ("feasibility", "missing_bytes", "weight_bits_that_fit", "n_accelerators_that_fit") if k in values],
        values=values,
        tables=[_bits_table(plan, count)],
        assumptions=plan.assumptions,
        warnings=plan.notices,
        feasible=False,
    )


def memory_only(plan: Plan) -> Result:
    """Whether weights and cache fit a stated memory, where no part is named."""
    request = plan.request
    count = request.n_accelerators or 1.0
    limit = (request.memory_bytes or 0.0) * count
    plan.assumptions = [item for item in plan.assumptions if item.field not in ("framework", "price_per_accelerator_hour_usd")]
    values = _memory(plan, count, request.concurrency or 1.0)
    need, weights = values["memory_bytes_needed"].number, values["weight_bytes"].number
    one = kv_bytes(plan.shape, plan.load.prompt + plan.load.output, plan.how.kv_bits)
    room = max(0.0, (limit * (1 - RESERVE) - weights) / one)
    feasible = need <= limit
    text = f"Yes, it fits with {(limit - need) / 1e9:.3g} GB to spare." if feasible else f"No, it needs {(need - limit) / 1e9:.3g} GB more."
    values = {
        "feasibility": Value(value=text, label="verdict"),
        **values,
        "max_concurrency": Value(value=float(int(room)), label="requests the memory holds at once", quantity="count"),
    }
    if not feasible:
        plan.notices.append(
            Notice(
                level="conflict",
                text=f"{need / 1e9:.4g} GB are needed (weights {weights / 1e9:.4g} GB, cache "
                f"{values['kv_cache_bytes'].number / 1e9:.4g} GB, buffers), {limit / 1e9:.4g} GB are stated.",
            )
        )
        needed = math.ceil(need / (limit / count))
        values["n_accelerators_that_fit"] = Value(value=needed, label="devices of this memory that hold it", quantity="count")
    fitting = [bits for bits in (16, 8, 6, 5, 4, 3) if _needs(plan, bits) <= limit]
    if fitting:
        values["weight_bits_that_fit"] = Value(value=float(fitting[0]), unit="bits", label="most weight bits that fit", quantity="bits")
    return Result(
        tool="serve",
        task="serve",
        headline=["feasibility", "memory_bytes_needed", "weight_bytes", "kv_cache_bytes", "max_concurrency"],
        values=values,
        assumptions=plan.assumptions,
        warnings=plan.notices,
        feasible=feasible,
    )


def _needs(plan: Plan, bits: float) -> float:
    how = precision_for(bits, plan.part, kv_bits=plan.how.kv_bits)
    cache = kv_bytes(plan.shape, plan.load.prompt + plan.load.output, how.kv_bits) * (plan.request.concurrency or 1.0)
    return (weight_bytes(plan.shape, how.stored_bits) + cache) / (1.0 - RESERVE)


def _most_bits(plan: Plan, devices: float) -> float | None:
    return next(
        (float(bits) for bits in (16, 8, 6, 5, 4, 3) if fits(replica(plan.shape, plan.part, precision_for(bits, plan.part), devices))), None
    )


def largest(
    part: Accelerator, sizes: dict[float, float], limit: tuple[str, float, str], price: Value, load: Load, assumed: list[Assumption]
) -> Result:
    """The result of asking for the largest model under a limit: (its field, its value, how it binds in words)."""
    bits, params = max(sizes.items(), key=lambda pair: pair[1])
    name, bound, formula = limit
    values = {
        "params_total": Value(
            value=params,
            unit="params",
            label=f"largest dense model at {bits:g}-bit weights",
            quantity="params_total",
            source=SOURCE,
            formula=formula,
            inputs={name: bound, "accelerator": part.id},
        ),
        "weight_bits": Value(value=bits, unit="bits", label="weight bits", quantity="bits"),
        "price_per_accelerator_hour_usd": price,
    }
    rows: list[list[Number]] = [[width, size] for width, size in sizes.items()]
    table = Table(
        name="sizes",
        title="Largest dense model under the limit, by width of its weights",
        columns=[Column(name="weight_bits", label="weights", unit="bits"), Column(name="params_total", unit="params")],
        rows=rows,
    )
    return Result(
        tool="serve",
        task="serve",
        headline=["params_total", "weight_bits"],
        values=values,
        tables=[table],
        assumptions=[
            *assumed,
            Assumption(field="input_tokens", value=load.prompt, unit="tokens", source="a chat turn"),
            Assumption(field="output_tokens", value=load.output, unit="tokens", source="a chat turn"),
        ],
    )


def _price_cell(plan: Plan, served: Serving) -> float | None:
    return None if plan.price is None else usd_per_million(served.output_tokens_per_s, served.devices, plan.price.number)


def _load_table(plan: Plan, served: Serving) -> Table:
    """Rate, latency and price over concurrency on the same machine."""
    top = int(served.batch_limit)
    asked = {int(plan.request.concurrency)} if plan.request.concurrency else set[int]()
    users = [count for count in sorted({1, 8, 32, 128, top} | asked) if 1 <= count <= top]
    loads = [replace(plan.load, concurrency=float(count), tpot_limit=math.inf) for count in users]
    found = estimate_many([Deployment(plan.shape, plan.part, served.devices, plan.how, load, served.family) for load in loads])
    rows: list[list[Number]] = [
        [count, one.output_tokens_per_s, one.tpot_loaded_s * 1e3, _price_cell(plan, one)]
        for count, one in zip(users, found, strict=True)
        if one is not None
    ]
    columns = [
        Column(name="concurrency", label="requests at once"),
        Column(name="output_tokens_per_second", label="output of all users", unit="tokens/s"),
        Column(name="latency_ms_per_token", label="per token and user", unit="ms"),
        Column(name="price_per_million_tokens_usd", label="per million output tokens", unit="USD"),
    ]
    return Table(name="by_concurrency", title="Speed and price by concurrent requests", columns=columns, rows=rows)


def _bits_table(plan: Plan, devices: float) -> Table:
    """What each weight width takes and gives on the same machine; widths that do not fit have no speed."""
    widths = sorted({16.0, 8.0, 4.0, plan.how.weight_bits}, reverse=True)
    hows = [precision_for(bits, plan.part, kv_bits=plan.request.kv_bits) for bits in widths]
    found = estimate_many([Deployment(plan.shape, plan.part, devices, how, plan.load, plan.family) for how in hows])
    rows: list[list[Number]] = []
    for how, one in zip(hows, found, strict=True):
        speed = [one.output_tokens_per_s, one.tpot_loaded_s * 1e3] if one else [None, None]
        rows.append([how.weight_bits, weight_bytes(plan.shape, how.stored_bits), one is not None, *speed, how_served(how)])
    columns = [
        Column(name="weight_bits", label="weights", unit="bits"),
        Column(name="weight_bytes", label="weights take", unit="bytes"),
        Column(name="fits"),
        Column(name="output_tokens_per_second", label="output of all users", unit="tokens/s"),
        Column(name="latency_ms_per_token", label="per token and user", unit="ms"),
        Column(name="note"),
    ]
    title = f"Weight widths on {devices:g} x {plan.part.id}"
    return Table(name="by_bits", title=title, columns=columns, rows=rows, note=WEIGHTS_ONLY if any(how.unpacked for how in hows) else "")


def parts_table(plan: Plan, parts: tuple[str, ...]) -> Table:
    """The cheapest deployment per part that keeps the latency, lowest price first."""
    known = [accelerator(name) for name in parts]
    offers = [
        Offer(plan.shape, part, precision_for(plan.how.weight_bits, part, kv_bits=plan.request.kv_bits), plan.load, middle_price(part))
        for part in known
    ]
    rows: list[list[Number]] = [
        [part.id, price.serving.devices, price.serving.output_tokens_per_s, price.serving.tpot_loaded_s * 1e3, price.usd]
        for part, price in zip(known, cheapest_each(offers), strict=True)
        if price is not None
    ]
    rows.sort(key=lambda row: float(row[4] or 0.0))
    columns = [
        Column(name="accelerator", label="accelerator"),
        Column(name="n_accelerators", label="count"),
        Column(name="output_tokens_per_second", label="output of all users", unit="tokens/s"),
        Column(name="latency_ms_per_token", label="per token and user", unit="ms"),
        Column(name="price_per_million_tokens_usd", label="per million output tokens", unit="USD"),
    ]
    return Table(
        name="by_accelerator",
        title="Cheapest deployment by accelerator",
        columns=columns,
        rows=rows,
        note="prices of the market, at their typical value",
    )
