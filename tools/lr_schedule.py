"""`lr_schedule`: which schedule, how long a cooldown, and what a sweep of horizons costs."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools.forms import get_form
from tools.law import compute, evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

NEEDS = (("tokens",), ("params_total", "tokens_per_param"), ("horizons",))
LONG_RUN_TOKENS = 1e12  # the 5% advice is for long runs; the source gives no threshold, so this one is stated as an assumption
_SIZES = {"m25": 2.5e7, "m100": 1e8, "m400": 4e8}
_CURVE_STEPS = 24000.0  # shorter of the two lengths the curves were fitted on


class LrScheduleRequest(ToolRequest):
    """A run, or a list of horizons for a sweep; units of the brief."""

    params_total: float | None = Field(default=None, gt=0, le=1e16)
    tokens: float | None = Field(default=None, gt=0, le=1e19)
    tokens_per_param: float | None = Field(default=None, gt=0)
    batch_tokens: float | None = Field(default=None, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    cooldown_fraction: float | None = Field(default=None, gt=0, lt=1)
    horizons: list[float] | None = None
    law: str | None = None


@tool(task="lr_schedule", title="Learning-rate schedule and cooldown")
def lr_schedule(request: LrScheduleRequest, laws: LawBook) -> Result:
    """Cooldown length (Haegele et al. 2024), schedules compared by the multi-power law (Luo et al. 2025), or the cost of a sweep."""
    if request.horizons:
        return _sweep(request, laws)
    tokens = request.tokens
    if tokens is None and request.params_total is not None and request.tokens_per_param is not None:
        tokens = request.params_total * request.tokens_per_param
    if tokens is None:
        raise MissingInput(NEEDS, "the schedule")
    assumptions: list[Assumption] = []
    values = _cooldown(request, laws, tokens, assumptions)
    curve = _curves(request, laws, tokens, assumptions)
    values |= _verdict(curve)
    if request.params_total is not None:
        ratio = tokens / request.params_total
        values["tokens_per_param"] = Value(
            value=ratio, unit="tokens/param", quantity="tokens_per_param", label="tokens per param", formula="D/N"
        )
    return Result(
        tool="lr_schedule",
        task="lr_schedule",
        values=values,
        tables=[_table(curve)],
        alternatives=_others(laws, tokens),
        assumptions=assumptions,
        headline=["schedule", "cooldown_fraction", "cooldown_tokens"],
        warnings=_notices(request, tokens),
        reasons=[
            "A constant rate with a short cooldown matches cosine and leaves the horizon open; a linear decay to zero suits a fixed one.",
            "Compare runs only by cooled-down checkpoints.",
        ],
    )


def _cooldown(request: LrScheduleRequest, laws: LawBook, tokens: float, assumptions: list[Assumption]) -> dict[str, Value]:
    """Share, tokens and steps of the cooldown, and the peak rate beside a tuned cosine's."""
    found = evaluate(laws.get("hagele2024_cooldown"), "plan", {"N": tokens}).values
    typical, short, long_run = (found[key].number / tokens for key in ("N_decay", "N_decay_min", "N_decay_long_runs"))
    share = request.cooldown_fraction or typical
    if request.cooldown_fraction is None:
        assumptions.append(
            Assumption(
                field="cooldown_fraction",
                value=share,
                source="hagele2024_cooldown: its typical share; a tenth is the least that matches cosine",
            )
        )
    low, high = min(long_run if tokens >= LONG_RUN_TOKENS else short, share), max(typical, share)

    def recommended(scale: float, unit: str, quantity: str, label: str) -> Value:
        interval = {"low": low * scale, "high": high * scale, "interval_basis": "range the source recommends"}
        return found["N_decay"].model_copy(update={"value": share * scale, "unit": unit, "quantity": quantity, "label": label, **interval})

    values = {
        "cooldown_fraction": recommended(1.0, "", "fraction", "cooldown as a share of the run"),
        "cooldown_tokens": recommended(tokens, "tokens", "tokens", "tokens of cooldown"),
        "stable_tokens": Value(
            value=(1 - share) * tokens, unit="tokens", quantity="tokens", label="tokens before the cooldown", formula="(1 - f) D"
        ),
        "lr_factor_vs_cosine": found["lr_constant"].model_copy(
            update={"label": "peak rate over that of a tuned cosine", "quantity": "ratio"}
        ),
    }
    if request.batch_tokens is not None:
        values["cooldown_steps"] = Value(
            value=share * tokens / request.batch_tokens, unit="steps", quantity="steps", label="steps of cooldown", formula="f D/B"
        )
    return values


def _curves(request: LrScheduleRequest, laws: LawBook, tokens: float, assumptions: list[Assumption]) -> dict[str, Value]:
    """Predicted final loss of each schedule by the multi-power law at the nearest of its sizes and within its lengths."""
    size = min(_SIZES, key=lambda key: abs(_SIZES[key] - (request.params_total or _SIZES["m400"])))
    steps = min(max(tokens / request.batch_tokens, _CURVE_STEPS), 72000.0) if request.batch_tokens else _CURVE_STEPS
    share = request.cooldown_fraction or 0.2
    card = laws.get("luo2025_mpl")
    assumptions.append(
        Assumption(
            field="schedule curves",
            value=steps,
            unit="steps",
            source=f"luo2025_mpl at {card.variants[size].label}, peak 3e-4: compare schedules by the differences, not the losses",
        )
    )
    common = {"step": steps, "steps": steps}
    start = {"decay_start": (1 - share) * steps}
    cases = {
        "cosine to a tenth": ("cosine", common | {"final": 3e-5}),
        "cosine to zero": ("cosine", common | {"final": 1e-8}),
        "linear to zero": ("linear", common | {"final": 1e-8}),
        "constant with (1 - sqrt) cooldown to zero": ("wsd_sqrt", common | start | {"final": 1e-8}),
        "constant with linear cooldown to zero": ("wsd", common | start | {"final": 1e-8}),
        "constant, no cooldown": ("constant", common),
    }
    return {name: evaluate(card, relation, given, size).values["L"] for name, (relation, given) in cases.items()}


def _table(curve: dict[str, Value]) -> Table:
    reference = curve["cosine to a tenth"].number
    rows: list[list[float | int | str | bool | None]] = [
        [name, value.number, value.number - reference] for name, value in sorted(curve.items(), key=lambda item: item[1].number)
    ]
    return Table(
        name="schedules",
        title="Schedules by the multi-power law",
        rows=rows,
        note="At one peak rate; each schedule deserves its own tuned peak.",
        columns=[
            Column(name="schedule"),
            Column(name="loss", label="final loss", unit="nats/token"),
            Column(name="difference", label="against cosine to a tenth", unit="nats/token"),
        ],
    )


def _verdict(curve: dict[str, Value]) -> dict[str, Value]:
    """WSD when the horizon may move; its predicted gain over cosine, and that of a linear decay."""
    cosine = curve["cosine to a tenth"].number
    gains = {"wsd_gain_over_cosine": "constant with (1 - sqrt) cooldown to zero", "linear_gain_over_cosine": "linear to zero"}
    found = {
        key: curve[name].model_copy(
            update={
                "value": cosine - curve[name].number,
                "label": f"{name}: loss below cosine to a tenth, both at the same peak",
                "quantity": "loss_difference",
                "note": "a cosine tuned for itself takes about twice the peak and closes the gap (Haegele et al. 2024)",
            }
        )
        for key, name in gains.items()
    }
    return {
        "schedule": Value(
            value="WSD, a constant rate with a (1 - sqrt) cooldown to zero",
            label="schedule",
            law="hagele2024_cooldown",
            relation="schedule",
            source="Haegele et al. 2024, arXiv:2405.18392",
        ),
        **found,
    }


def _others(laws: LawBook, tokens: float) -> list[Alternative]:
    """What MiniCPM says of the decay, and the linear decay to zero."""
    card = laws.get("hu2024_minicpm")
    decay = evaluate(card, "decay", {"S": tokens}).values["N_decay"]
    value = decay.model_copy(
        update={"value": decay.number / tokens, "unit": "", "quantity": "fraction", "label": "cooldown as a share of the run"}
    )
    whole = Value(value=1.0, label="cooldown as a share of the run", law="bergsma2025_d2z", quantity="fraction")
    return [
        Alternative(name="hu2024_minicpm", values={"cooldown_fraction": value}, note="WSD with decay to about a tenth of the peak"),
        Alternative(
            name="bergsma2025_d2z",
            values={"cooldown_fraction": whole},
            note="linear decay to zero over the whole run, horizon fixed, peak tuned",
        ),
    ]


def _notices(request: LrScheduleRequest, tokens: float) -> list[Notice]:
    ratio = request.tokens_per_param or (tokens / request.params_total if request.params_total else None)
    notices = [
        Notice(
            level="info",
            source="hagele2024_cooldown",
            text="The loss of the constant phase looks high until the cooldown; do not judge the run by it.",
        )
    ]
    if ratio is not None and ratio >= 20:
        notices.append(
            Notice(
                level="info",
                source="bergsma2025_d2z",
                text="At this many tokens per param decay all the way to zero rather than to a tenth of the peak.",
            )
        )
    return notices


def _sweep(request: LrScheduleRequest, laws: LawBook) -> Result:
    """Cost of training every horizon anew against one trunk with cooldowns (Haegele et al. 2024)."""
    horizons = request.horizons or []
    assumptions: list[Assumption] = []
    share = request.cooldown_fraction
    card = laws.get("hagele2024_cooldown")
    if share is None:
        share = evaluate(card, "plan", {"N": 1.0}).values["N_decay"].number
        assumptions.append(Assumption(field="cooldown_fraction", value=share, source="hagele2024_cooldown: its typical share"))
    found = compute(card, "sweep_cost", {"D_i": horizons, "f": share})
    formula = get_form("sweep_cost").formula

    def value(key: str, label: str, quantity: str) -> Value:
        return Value(
            value=float(found[key]),
            label=label,
            quantity=quantity,
            law=card.id,
            relation="sweep_cost",
            formula=formula,
            inputs={"D_i": horizons, "f": share},
            source=f"{card.authors} {card.year}, arXiv:{card.arxiv}",
            note="in the unit of the horizons",
        )

    values = {
        "sweep_cost_units": value("cooldown", "one trunk with cooldowns", "number"),
        "sweep_cost_cosine_units": value("cosine", "every horizon trained anew", "number"),
        "sweep_saving": value("saving", "share saved", "fraction"),
    }
    return Result(
        tool="lr_schedule",
        task="lr_schedule",
        headline=["sweep_cost_units", "sweep_saving"],
        values=values,
        assumptions=assumptions,
        reasons=["One constant-rate trunk reaches the longest horizon; each horizon branches off it for its cooldown."],
    )
