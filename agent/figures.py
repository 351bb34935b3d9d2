"""Figures as Vega-Lite specs, their data inside; one spec serves the page, Slack and documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.curves import FRONTIER, VALLEY
from tools.result import Result, Table

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # an identifier: nothing fetches it
_SIZE = {"width": 460, "height": 260}


def specs(results: list[Result]) -> list[dict[str, Any]]:
    """A spec for every table that is drawn and for every split of cost, in order of the results."""
    drawn = {VALLEY: _valley, FRONTIER: _frontier, "frontier": _pareto, "by_concurrency": _throughput}
    found: list[dict[str, Any]] = []
    for result in results:
        found += [drawn[table.name](table) for table in result.tables if table.name in drawn and table.rows]
        if (split := _cost_split(result)) is not None:
            found.append(split)
    return found


def _records(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def _base(table: Table, description: str) -> dict[str, Any]:
    return {"$schema": _SCHEMA, "title": table.title, "description": description, "data": {"values": _records(table)}, **_SIZE}


def _log(field: str, title: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "scale": {"type": "log"}, "title": title, "axis": {"format": "~e", "tickCount": 6}}


def _loss(title: str) -> dict[str, Any]:
    return {"field": "loss", "type": "quantitative", "scale": {"zero": False}, "title": title}


def _valley(table: Table) -> dict[str, Any]:
    unit = next(column.unit for column in table.columns if column.name == "loss")
    tooltip = [{"field": name, "type": "quantitative", "format": ".3~g"} for name in ("params", "tokens", "loss")]
    curve = {"mark": {"type": "line"}, "encoding": {"x": _log("params", "params"), "y": _loss(f"loss, {unit}"), "tooltip": tooltip}}
    best = {
        "transform": [{"filter": "datum.best"}],
        "mark": {"type": "point", "filled": True, "size": 90, "color": "#d62728"},
        "encoding": {"x": _log("params", "params"), "y": _loss(f"loss, {unit}"), "tooltip": tooltip},
    }
    return _base(table, "Loss against the number of params at the plan's compute; the point marks the least.") | {"layer": [curve, best]}


def _frontier(table: Table) -> dict[str, Any]:
    unit = next(column.unit for column in table.columns if column.name == "loss")
    layers: list[dict[str, Any]] = []
    if any(row[2] is not None for row in table.rows):
        layers.append(
            {
                "mark": {"type": "area", "opacity": 0.25},
                "encoding": {
                    "x": _log("compute", "training FLOP"),
                    "y": {"field": "low", "type": "quantitative", "scale": {"zero": False}, "title": f"loss, {unit}"},
                    "y2": {"field": "high"},
                },
            }
        )
    # Each stretch inside or outside the region is a line of its own: else what lies outside on both sides would be joined across.
    by_compute = [{"field": "compute", "order": "ascending"}]
    layers.append(
        {
            "transform": [
                {"window": [{"op": "lag", "field": "fitted", "as": "before"}], "sort": by_compute},
                {"calculate": "datum.before === null || datum.before === datum.fitted ? 0 : 1", "as": "turn"},
                {"window": [{"op": "sum", "field": "turn", "as": "stretch"}], "sort": by_compute},
            ],
            "mark": {"type": "line"},
            "encoding": {
                "x": _log("compute", "training FLOP"),
                "y": _loss(f"loss, {unit}"),
                "strokeDash": {"field": "fitted", "type": "nominal", "title": "inside the fit region", "sort": [True, False]},
                "detail": {"field": "stretch", "type": "nominal"},
                "tooltip": [{"field": name, "type": "quantitative", "format": ".3~g"} for name in ("compute", "loss", "low", "high")],
            },
        }
    )
    return _base(table, "Least loss against training compute, with its interval; dashed where the law is extrapolated.") | {"layer": layers}


def _pareto(table: Table) -> dict[str, Any]:
    axis = {
        "x": {"field": "days", "type": "quantitative", "scale": {"type": "log"}, "title": "days"},
        "y": {"field": "accelerator_hours", "type": "quantitative", "scale": {"zero": False}, "title": "accelerator-hours"},
    }
    tooltip = [{"field": column.name, "type": "nominal" if column.name == "layout" else "quantitative"} for column in table.columns]
    return _base(table, "Training time against accelerator-hours: cluster sizes and batches that nothing beats on both.") | {
        "layer": [
            {"mark": {"type": "line", "opacity": 0.5}, "encoding": axis},
            {"mark": {"type": "point", "filled": True, "size": 70}, "encoding": axis | {"tooltip": tooltip}},
        ]
    }


def _throughput(table: Table) -> dict[str, Any]:
    axis = {
        "x": {"field": "latency_ms_per_token", "type": "quantitative", "scale": {"type": "log"}, "title": "ms per token and user"},
        "y": {
            "field": "output_tokens_per_second",
            "type": "quantitative",
            "scale": {"type": "log"},
            "title": "output tokens/s of all users",
        },
    }
    tooltip = [{"field": column.name, "type": "quantitative", "format": ".3~g"} for column in table.columns]
    points = {"mark": {"type": "point", "filled": True, "size": 70}, "encoding": axis | {"tooltip": tooltip}}
    labels = {"mark": {"type": "text", "dy": -12}, "encoding": axis | {"text": {"field": "concurrency", "type": "nominal"}}}
    line = {"mark": {"type": "line", "opacity": 0.5}, "encoding": axis | {"order": {"field": "concurrency", "type": "quantitative"}}}
    return _base(table, "Serving throughput against latency; the labels are concurrent requests.") | {"layer": [line, points, labels]}


_COST_PARTS = (("train_usd", "training"), ("cost_usd", "training"), ("serving_usd", "serving"), ("inference_cost_usd", "serving"))


def _cost_split(result: Result) -> dict[str, Any] | None:
    """Training against serving dollars as one bar; None where a result has only one of them."""
    parts = [{"part": part, "usd": result.values[key].number} for key, part in _COST_PARTS if key in result.values]
    if len(parts) < 2:
        return None
    encoding = {
        "x": {"field": "usd", "type": "quantitative", "title": "USD", "stack": "zero", "axis": {"format": "$~s"}},
        "color": {"field": "part", "type": "nominal", "title": None},
        "tooltip": [{"field": "part", "type": "nominal"}, {"field": "usd", "type": "quantitative", "format": "$,.3~s"}],
    }
    description = "What training and serving each cost over the model's life."
    return {
        "$schema": _SCHEMA,
        "title": "Cost of training and serving",
        "description": description,
        "data": {"values": parts},
        "width": 460,
        "height": 60,
        "mark": "bar",
        "encoding": encoding,
    }


def parity(title: str, rows: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    """Predicted against measured loss of fitted runs: rows of (group, measured, predicted), the group '' where there is but one."""
    values = [{"group": group, "measured": measured, "predicted": predicted} for group, measured, predicted in rows]
    ends = [min(min(row[1:]) for row in rows), max(max(row[1:]) for row in rows)]

    def axes(*more: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        scale = {"zero": False, "nice": False}
        sides = (("x", "measured"), ("y", "predicted"))
        drawn = {axis: {"field": name, "type": "quantitative", "scale": scale, "title": f"{name} loss"} for axis, name in sides}
        return drawn | dict(more)

    line = {
        "data": {"values": [{"measured": end, "predicted": end} for end in ends]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "gray"},
        "encoding": axes(),
    }
    several = len({row[0] for row in rows}) > 1
    colour = {"field": "group", "type": "nominal", "title": None} if several else {"value": "#1f77b4"}
    points = {"mark": {"type": "point", "filled": True, "opacity": 0.6, "size": 40}, "encoding": axes(("color", colour))}
    return {
        "$schema": _SCHEMA,
        "title": title,
        "description": f"{len(rows)} runs; what lies on the dashed line is predicted exactly, above it too high, below it too low.",
        "data": {"values": values},
        **_SIZE,
        "layer": [line, points],
    }


def svg(spec: dict[str, Any]) -> str:
    """A spec as SVG. Raises ImportError without the extra `figures`."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))


def png(spec: dict[str, Any], scale: float = 2.0) -> bytes:
    """A spec as PNG. Raises ImportError without the extra `figures`."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(spec, scale=scale))
