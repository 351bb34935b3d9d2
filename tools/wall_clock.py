"""`wall_clock`: how long a training run takes on a cluster, how many accelerators a deadline needs, and whether it can run at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from knowledge.library import LawBook
from tools._training_run import TrainingRun, WallClockRequest, fewest_devices, misfit, nearest_size, run_of, speed_on
from tools.convert import DAY, HOUR, days_in_words, in_words
from tools.registry import tool
from tools.result import Assumption, Column, Notice, Result, Table, Value
from tools.systems.flops import count_params, flops_per_token
from tools.systems.frontier import frontier, plans
from tools.systems.goodput import SOURCE as GOODPUT_SOURCE
from tools.systems.goodput import goodput
from tools.systems.layout import Layout
from tools.systems.mfu import LEVEL, SOURCE, STEP_SOURCE, Estimate, usual_devices
from tools.systems.profile import profile_from

_BASIS = "published runs left out of the calibration"
_SAME = 1.01  # times that differ by less than this are the same: rounding and checkpoints, far inside any interval
NEEDS = (
    ("params_total", "tokens", "n_accelerators"),
    ("compute_flops", "n_accelerators"),
    ("model", "n_accelerators"),
    ("params_total", "tokens", "duration_seconds"),
    ("compute_flops", "duration_seconds"),
    ("model", "duration_seconds"),
    ("params_total", "tokens", "accelerator_hours"),
    ("compute_flops", "accelerator_hours"),
    ("params_total", "tokens", "accelerator"),
    ("compute_flops", "accelerator"),
    ("model", "tokens"),
)


@tool(task="wall_clock", title="How long training takes", needs=NEEDS)
def wall_clock(request: WallClockRequest, laws: LawBook) -> Result:
    """Days of training with an interval, or the accelerators a deadline needs. MFU is the stated one or predicted from the best layout."""
    run = run_of(request, laws)
    devices = request.n_accelerators
    front: Table | None = None
    _beyond_peak(run, request)
    if devices is None and request.accelerator_hours is not None and request.duration_seconds is not None:
        devices = max(1.0, round(request.accelerator_hours * HOUR / request.duration_seconds))
    if devices is None and request.duration_seconds is not None:
        devices = fewest_devices(run, request)
        if devices is None:
            return _too_tight(run, request)
    if devices is None:
        hours = request.accelerator_hours
        devices = (
            usual_devices(run.part, run.flops, request.mfu) if hours is None else usual_devices(run.part, hours * HOUR * run.peak, 1.0)
        )
        front = _frontier_table(run, laws, devices)
        run.assumptions.append(
            Assumption(field="n_accelerators", value=devices, source="a cluster on which such a run takes about a month")
        )
    result = _timed(run, request, devices)
    return result if front is None else result.model_copy(update={"tables": [*result.tables, front]})


def _frontier_table(run: TrainingRun, laws: LawBook, around: float) -> Table:
    """Time against accelerator-hours for cluster sizes about a given one, each at the best batch; plans beaten on both are left out."""
    sizes = [around * 2.0**power for power in range(-2, 4)]
    rows: list[list[Any]] = [
        [plan.devices, plan.batch_tokens, plan.tokens, plan.days, plan.accelerator_hours, plan.layout.describe()]
        for plan in frontier(plans(run.shape, run.part, run.tokens, run.seq, laws, sizes, (0.5, 1.0, 2.0)))
    ]
    columns = [
        Column(name="n_accelerators", label="accelerators"),
        Column(name="batch_tokens", label="batch", unit="tokens/step"),
        Column(name="tokens", label="tokens needed", unit="tokens"),
        Column(name="days", unit="days"),
        Column(name="accelerator_hours", label="accelerator-hours", unit="h"),
        Column(name="layout"),
    ]
    return Table(name="frontier", title="Time against cost: plans nothing beats on both", columns=columns, rows=rows)


def _beyond_peak(run: TrainingRun, request: WallClockRequest) -> None:
    """A deadline that not even full peak would meet contradicts the rest of the question."""
    if request.n_accelerators is None or request.duration_seconds is None:
        return
    fastest = run.flops / (request.n_accelerators * run.peak)
    if fastest > request.duration_seconds:
        text = (
            f"{in_words(run.flops)} FLOP on {request.n_accelerators:g} {run.part.id} take {days_in_words(fastest)} even at full peak; "
            f"the question gives {days_in_words(request.duration_seconds)}."
        )
        run.notices.append(Notice(level="conflict", text=text))


def _timed(run: TrainingRun, request: WallClockRequest, devices: float) -> Result:
    found = speed_on(run, request, devices)
    if found is None and request.mfu is None:
        return _impossible(run, request, devices)
    speed = _speed(run, request, found)
    share, low, high = speed.mfu, speed.low, speed.high
    seconds = run.flops / (devices * run.peak * share)
    spread = (seconds * share / high, seconds * share / low)
    # a predicted utilisation is that of whole runs and holds what failures cost; a stated one does not
    good = goodput(run.part.id, devices, count_params(run.shape).total) if request.mfu is not None else 1.0
    values = _values(run, request, devices, seconds, spread, speed, good)
    if found is not None:
        values["step_seconds"] = Value(value=found.step_seconds, unit="s", label="seconds per optimizer step, tuned", source=STEP_SOURCE)
        values["mfu_tuned"] = Value(
            value=found.tuned, label="utilisation of the step itself, at full health", quantity="fraction", source=STEP_SOURCE
        )
        values["layout"] = Value(value=found.layout.describe(), label="fastest layout that fits", source=STEP_SOURCE)
    else:
        run.notices.append(Notice(level="warning", text=misfit(run, request, devices)))
    feasible = _deadline_notices(run, request, devices, seconds / good, values)
    tables = [_layout_table(found.layouts.fitting)] if found else []
    headline = [key for key in ("feasibility", "duration_seconds", "n_accelerators", "accelerator_hours", "mfu") if key in values]
    return Result(
        tool="wall_clock",
        task="wall_clock",
        headline=headline,
        values=values,
        tables=tables,
        assumptions=run.assumptions,
        warnings=run.notices,
        reasons=_reasons(speed, found),
        feasible=feasible and (found is not None),
    )


@dataclass(frozen=True)
class _Speed:
    """MFU of the run with its bounds, and where it comes from: the question, the stated hours or the prediction (for a known cluster)."""

    mfu: float
    low: float
    high: float
    origin: Literal["stated", "hours", "predicted"]
    cluster: str = ""

    @property
    def source(self) -> str:
        predicted = f"profile of {self.cluster} on the {SOURCE}" if self.cluster else SOURCE
        return {"stated": "MFU of the question", "hours": "the accelerator-hours given", "predicted": predicted}[self.origin]

    def interval(self, low: float, high: float) -> dict[str, Any]:
        """The fields of a Value's interval for bounds that follow from this speed; none where it is exact."""
        if self.low == self.high:
            return {}
        basis = _BASIS if self.origin == "predicted" else "interval of the accelerator-hours"
        return {"low": low, "high": high, "level": LEVEL, "interval_basis": basis}


def _speed(run: TrainingRun, request: WallClockRequest, found: Estimate | None) -> _Speed:
    """The stated MFU; else the one that the given hours imply; else the predicted one."""
    if request.mfu is not None:
        if found is not None and request.mfu > found.high:
            text = (
                f"The stated MFU of {request.mfu:.0%} is above what published runs of this kind reach: {found.mfu:.0%} is predicted, "
                f"{found.low:.0%} to {found.high:.0%} with 90% confidence. Time and cost are too low if it is not met."
            )
            run.notices.append(Notice(level="warning", text=text))
        return _Speed(request.mfu, request.mfu, request.mfu, "stated")
    given = request.accelerator_hours
    if given is not None:
        at_peak = run.flops / (run.peak * HOUR)
        if at_peak <= given:
            low, high = at_peak / (request.accelerator_hours_high or given), at_peak / (request.accelerator_hours_low or given)
            return _Speed(at_peak / given, low, min(high, 1.0), "hours")
        text = (
            f"{in_words(run.flops)} FLOP take {in_words(at_peak)} hours of {run.part.id} even at full peak, "
            f"but {in_words(given)} accelerator-hours are stated."
        )
        run.notices.append(Notice(level="conflict", text=text))
    known = profile_from(request.profile).name if request.profile else ""
    return _Speed(found.mfu, found.low, found.high, "predicted", known) if found else _Speed(0.3, 0.3, 0.3, "predicted")


def _values(
    run: TrainingRun, request: WallClockRequest, devices: float, seconds: float, spread: tuple[float, float], speed: _Speed, good: float
) -> dict[str, Value]:
    stated = speed.origin == "stated"
    return {
        **(_with_failures(seconds, good) if stated else {}),
        **_times(run, devices, seconds, spread, speed),
        "n_accelerators": Value(value=devices, label=run.part.name, quantity="count"),
        "mfu": Value(
            value=speed.mfu,
            label="model FLOPs utilisation",
            quantity="fraction",
            source="the question" if stated else speed.source,
            **speed.interval(speed.low, speed.high),
        ),
        **_work(run, request, seconds),
    }


def _with_failures(seconds: float, good: float) -> dict[str, Value]:
    """What failures add to a time from a stated utilisation; a predicted one holds them already."""
    return {
        "calendar_days": Value(
            value=seconds / good / DAY, unit="days", label="with failures and restarts", formula="t / goodput", source=GOODPUT_SOURCE
        ),
        "goodput": Value(value=good, label="share of time not lost to failures", quantity="fraction", source=GOODPUT_SOURCE),
    }


def _times(run: TrainingRun, devices: float, seconds: float, spread: tuple[float, float], speed: _Speed) -> dict[str, Value]:
    """The training time in days and seconds, and as accelerator-hours."""
    inputs = {"compute_flops": run.flops, "n_accelerators": devices, "peak_flops": run.peak, "mfu": speed.mfu}

    def timed(scale: float, unit: str, label: str, quantity: str = "", formula: str = "t = C / (n x peak x MFU)") -> Value:
        interval = speed.interval(spread[0] * scale, spread[1] * scale)
        return Value(
            value=seconds * scale,
            unit=unit,
            label=label,
            quantity=quantity,
            formula=formula,
            inputs=inputs,
            source=speed.source,
            **interval,
        )

    return {
        "days": timed(1 / DAY, "days", "training time"),
        "duration_seconds": timed(1.0, "s", "training time", "seconds"),
        "accelerator_hours": timed(devices / HOUR, "h", "accelerator-hours", formula="n x t"),
    }


def _work(run: TrainingRun, request: WallClockRequest, seconds: float) -> dict[str, Value]:
    """What the run computes, in FLOP by two counts, and in which portions."""
    return {
        "compute_flops": Value(
            value=run.flops,
            unit="FLOP",
            label="training compute",
            quantity="flops",
            formula="C = 6 x active params x tokens" if request.compute_flops is None else "stated compute",
            inputs={"params_active": run.active, "tokens": run.tokens},
        ),
        "exact_flops": Value(
            value=flops_per_token(run.shape, run.seq).model * run.tokens,
            unit="FLOP",
            label="with attention and output layer counted",
            formula="3 x forward FLOPs per token x tokens",
            inputs={"sequence_length": run.seq},
        ),
        "tokens_per_second": Value(value=run.tokens / seconds, unit="tokens/s", label="training speed"),
        "batch_tokens": Value(value=run.batch * run.seq, unit="tokens/step", label="batch"),
        "sequence_length": Value(value=run.seq, unit="tokens", label="sequence length"),
    }


def _deadline_notices(run: TrainingRun, request: WallClockRequest, devices: float, calendar: float, values: dict[str, Value]) -> bool:
    deadline, low, high = request.duration_seconds, values["days"].low, values["days"].high
    late = deadline is not None and high is not None and high * DAY > deadline * _SAME
    if deadline is not None and late and calendar <= deadline * _SAME:
        text = f"The deadline is met by the best estimate; the 90% interval of the time reaches {days_in_words((high or 0.0) * DAY)}, so leave a reserve."
        run.notices.append(Notice(level="caution", text=text))
    if deadline is None or request.n_accelerators is None:
        return True
    if calendar <= deadline * _SAME:
        values["feasibility"] = Value(value="In time by the best estimate" if late else "Yes, in time", label="deadline")
        return True
    values["feasibility"] = Value(value="Not in time", label="deadline")
    level = "conflict" if low is None or low * DAY > deadline else "warning"
    run.notices.append(
        Notice(
            level=level,
            text=f"The run needs {days_in_words(calendar)} on {devices:g} {run.part.id}; the question gives {days_in_words(deadline)}.",
        )
    )
    enough = fewest_devices(run, request)
    if enough is not None:
        values["n_accelerators_needed"] = Value(value=enough, label="accelerators that would meet the deadline", quantity="count")
    return False


def _reasons(speed: _Speed, found: Estimate | None) -> list[str]:
    if speed.origin == "stated":
        return ["The utilisation is the one stated; the predicted one is not used."]
    if speed.origin == "hours":
        return ["Time and utilisation follow from the accelerator-hours given; the predicted utilisation is not used."]
    return (
        [
            "Utilisation is predicted: every layout that fits in memory was priced, the fastest kept, "
            "and what whole runs lose beyond a tuned step taken off."
            + (f" The measured rows in the profile of {speed.cluster} correct it." if speed.cluster else "")
        ]
        if found
        else []
    )


def _layout_table(layouts: tuple[Layout, ...]) -> Table:
    rows: list[list[Any]] = [
        [
            i + 1,
            item.describe(),
            item.step_seconds,
            item.memory_bytes,
            item.mfu,
            item.seconds["pipeline_bubble"],
            item.seconds["tensor_parallel"] + item.seconds["data_parallel"],
        ]
        for i, item in enumerate(layouts)
    ]
    columns = [
        Column(name="rank"),
        Column(name="layout"),
        Column(name="step_seconds", label="step", unit="s"),
        Column(name="memory_bytes", label="memory per device", unit="bytes"),
        Column(name="mfu", label="MFU, exact FLOPs"),
        Column(name="bubble", label="pipeline bubble", unit="s"),
        Column(name="exposed", label="exposed communication", unit="s"),
    ]
    return Table(name="layouts", title="Layouts that fit, fastest first", columns=columns, rows=rows)


def _too_tight(run: TrainingRun, request: WallClockRequest) -> Result:
    text = (
        f"No number of {run.part.id} finishes {in_words(run.flops)} FLOP in {days_in_words(request.duration_seconds or 0)} "
        f"at a batch of {in_words(run.batch * run.seq, 'tokens')} tokens: data parallelism ends at one sequence a rank."
    )
    return Result(
        tool="wall_clock",
        task="wall_clock",
        headline=["feasibility"],
        values={"feasibility": Value(value=text, label="verdict")},
        assumptions=run.assumptions,
        warnings=[Notice(level="warning", text=text)],
        feasible=False,
    )


def _impossible(run: TrainingRun, request: WallClockRequest, devices: float) -> Result:
    """Why the run cannot start, and the nearest plan that can: another number of the same accelerators."""
    run.notices.append(Notice(level="conflict" if devices > 1 else "warning", text=misfit(run, request, devices)))
    size, plan = nearest_size(run, request, devices)
    values: dict[str, Value] = {
        "feasibility": Value(
            value=f"A model of {in_words(count_params(run.shape).total, 'params')} params cannot run on {devices:g} x {run.part.name}.",
            label="verdict",
        ),
        "compute_flops": Value(value=run.flops, unit="FLOP", label="training compute", quantity="flops"),
    }
    if plan is not None:
        values["n_accelerators_needed"] = Value(value=size, label="accelerators of the nearest plan that fits", quantity="count")
        values["nearest_layout"] = Value(value=plan.layout.describe(), label="nearest possible plan", source=SOURCE)
        days = run.flops / (size * run.peak * plan.mfu) / DAY
        values["nearest_days"] = Value(
            value=days,
            unit="days",
            label="training time of that plan",
            low=days * plan.mfu / plan.high,
            high=days * plan.mfu / plan.low,
            level=LEVEL,
            interval_basis=_BASIS,
            source=SOURCE,
        )
    return Result(
        tool="wall_clock",
        task="wall_clock",
        headline=["feasibility", *(["n_accelerators_needed"] if plan else [])],
        values=values,
        assumptions=run.assumptions,
        warnings=run.notices,
        feasible=False,
    )
