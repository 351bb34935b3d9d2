"""A self-contained HTML report of fits: verdict, coefficients, warnings, and figures as SVG inside the page."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from knowledge.errors import InputError
from tools.fit import result_of
from tools.fitting.fitted import Fitted
from tools.fitting.runs import describe_group
from tools.result import Result, Table

Spec = dict[str, Any]
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}.verdict{font-weight:600}figure{margin:1.5rem 0}figcaption{color:#555}
svg{max-width:100%;height:auto}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}td,th{border-color:#444}
figcaption{color:#aaa}figure svg{background:#fff}}"""


def write_report(target: str, fits: Sequence[Fitted]) -> None:
    """Write the report of one or more fits; raises InputError when the file cannot be written."""
    body = "\n".join(_section(fit) for fit in fits)
    head = f'<meta charset="utf-8"><title>flopwise fit</title><style>{_STYLE}</style>'
    page = f'<!doctype html><html lang="en">{head}<h1>Fit report</h1>{body}</html>\n'
    try:
        Path(target).write_text(page, encoding="utf8")
    except OSError as error:
        raise InputError("report", f"cannot write {target!r}", error.strerror or "") from None


def _section(fit: Fitted) -> str:
    result = result_of(fit)
    tables = {table.name: table for table in result.tables}
    parts = [
        f"<h2>{html.escape(fit.spec.name)} on {html.escape(fit.table.source)}: {html.escape(describe_group(fit.table.group))}</h2>",
        f'<p class="verdict">{html.escape(fit.verdict)}</p>',
        _coefficients(fit, result),
        _warnings(result),
    ]
    parts += [_figure(title, spec) for title, spec in figures(tables)]
    parts += [_html_table(tables[name]) for name in ("approaches", "sensitivity") if name in tables]
    return "\n".join(parts)


def _coefficients(fit: Fitted, result: Result) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value.number:.6g}</td><td>{fit.se.get(name, float('nan')):.3g}</td>"
        f"<td>{_interval(value.low, value.high)}</td></tr>"
        for name, value in result.values.items()
        if name != "objective"
    )
    if not rows:
        return ""
    formula = html.escape(result.values["objective"].formula)
    search = (
        f"{fit.optimum.agree} of {fit.optimum.starts} starts end at this optimum; sum of Huber losses {fit.objective:.9g}"
        if fit.optimum
        else ""
    )
    head = "<tr><th>coefficient</th><th>value</th><th>SE</th><th>90% interval</th></tr>"
    return f"<p><code>{formula}</code></p><table>{head}{rows}</table><p>{search}</p>"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.5g} to {high:.5g}"


def _warnings(result: Result) -> str:
    items = "".join(
        f"<li>{html.escape(notice.text)}{f' <small>({html.escape(notice.source)})</small>' if notice.source else ''}</li>"
        for notice in result.warnings
    )
    return f"<h3>To know</h3><ul>{items}</ul>" if items else ""


def _html_table(table: Table) -> str:
    def cell(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else html.escape("" if value is None else str(value))

    head = "".join(f"<th>{html.escape(column.label)}</th>" for column in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in table.rows)
    return f"<h3>{html.escape(table.title)}</h3><table><tr>{head}</tr>{rows}</table><p>{html.escape(table.note)}</p>"


def _records(table: Table) -> list[dict[str, Any]]:
    return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]


def _axis(field: str, title: str, *, log: bool = False) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log" if log else "linear", "zero": False, "nice": False},
        "axis": {"format": "~e", "labelOverlap": True} if log else {},
    }


def figures(tables: dict[str, Table]) -> list[tuple[str, Spec]]:
    """Vega-Lite specifications by title: parity, residuals, isoFLOP curves with optima, forecast band."""
    drawn: list[tuple[str, str, Callable[[Spec], Spec]]] = [
        ("residuals", "Predicted against measured", _parity),
        ("residuals", "Residuals", _residuals),
        ("isoflop", "Loss against size at equal compute, optimum marked", _isoflops),
        ("band", "Loss at the optimal size, 90% band of the coefficients", _band),
    ]
    return [(title, draw({"values": _records(tables[name])})) for name, title, draw in drawn if name in tables]


_POINTS: Spec = {"type": "point", "filled": True, "opacity": 0.6}
_DASHES = [4, 4]


def _parity(data: Spec) -> Spec:
    measured = [row["measured"] for row in data["values"]]
    diagonal = {"values": [{"measured": end, "predicted": end} for end in (min(measured), max(measured))]}
    encoding = {"x": _axis("measured", "measured loss"), "y": _axis("predicted", "predicted loss")}
    line = {"data": diagonal, "mark": {"type": "line", "strokeDash": _DASHES, "color": "gray"}, "encoding": encoding}
    return {"layer": [line, {"data": data, "mark": _POINTS, "encoding": encoding}]}


def _residuals(data: Spec) -> Spec:
    has_flops = "flops" in data["values"][0]
    x = _axis("flops", "compute (FLOP)", log=True) if has_flops else _axis("measured", "measured")
    return {"data": data, "mark": _POINTS, "encoding": {"x": x, "y": _axis("residual", "log measured - log predicted")}}


def _isoflops(data: Spec) -> Spec:
    compute = {"title": "compute (FLOP)", "scale": {"type": "log"}, "legend": {"format": "~e"}}
    size = {
        "x": _axis("params", "parameters", log=True),
        "y": _axis("loss", "loss"),
        "color": {"field": "flops", "type": "quantitative", **compute},
    }
    optimum = {"transform": [{"filter": "datum.optimum == 1"}], "mark": {"type": "point", "filled": True, "size": 70}, "encoding": size}
    return {"data": data, "layer": [{"mark": "line", "encoding": {**size, "detail": {"field": "flops"}}}, optimum]}


def _band(data: Spec) -> Spec:
    compute = _axis("flops", "compute (FLOP)", log=True)
    area = {
        "mark": {"type": "area", "opacity": 0.25},
        "encoding": {"x": compute, "y": _axis("low", "loss"), "y2": {"field": "high"}},
    }
    edge = {
        "transform": [{"filter": "datum.beyond == 1"}, {"aggregate": [{"op": "min", "field": "flops", "as": "edge"}]}],
        "mark": {"type": "rule", "strokeDash": _DASHES},
        "encoding": {"x": {"field": "edge", "type": "quantitative"}},
    }
    return {"data": data, "layer": [area, {"mark": "line", "encoding": {"x": compute, "y": _axis("loss", "loss")}}, edge]}


def _figure(title: str, spec: Spec) -> str:
    full = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 560, "height": 320, **spec}
    try:
        import vl_convert  # pyright: ignore
    except ImportError:
        return f"<h3>{html.escape(title)}</h3><p>Figures need vl-convert-python.</p><pre>{html.escape(json.dumps(full)[:4000])}</pre>"
    picture = str(vl_convert.vegalite_to_svg(full))
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{picture}</figure>"
