"""What `flopwise fit` does: read, fit each group, print, write JSON, law cards and the report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.errors import InputError
from tools.fitting.fitted import Fitted, as_json, fit_runs
from tools.fitting.runs import RunTable, describe_group, parse_group, read_runs
from tools.fitting.spec import fit_form, fit_forms

MAX_GROUPS = 40


def pairs(texts: Sequence[str], field: str) -> dict[str, str]:
    """`["a=b", ...]` as a mapping."""
    out: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise InputError(field, f"{text!r} is not of the form name=value")
        out[name.strip()] = value.strip()
    return out


def load(options: argparse.Namespace, path: str, *, points: bool = False) -> RunTable:
    """The table of a command's options; raises InputError when it has no rows or cannot be read."""
    columns = pairs(options.column, "column")
    return read_runs(
        path,
        units=pairs(options.unit, "unit"),
        columns={k: v for k, v in columns.items() if not (points and k == "loss")},
        flops_per_param_token=options.flops_per_param_token,
        points=points,
    )


class Progress:
    """A counter on standard error, shown only on a terminal and only after a second."""

    def __init__(self, total: int, what: str) -> None:
        self._done, self._total, self._what, self._since = 0, total, what, time.monotonic()
        self._shown = False

    def __call__(self, n: int) -> None:
        self._done += n
        if time.monotonic() - self._since > 1.0 and sys.stderr.isatty():
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{self._what}: {self._done} of {self._total}")
            sys.stderr.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")


def write_json(target: str, data: Any) -> None:
    """JSON to a file, or to standard output for `-`."""
    text = json.dumps(data, indent=2, allow_nan=False)
    if target == "-":
        print(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf8")
    except OSError as error:
        raise InputError("json", f"cannot write {target!r}", error.strerror or "") from None


def fit_command(options: argparse.Namespace) -> int:
    """Run `flopwise fit`."""
    if options.list_forms:
        for spec in fit_forms().values():
            print(f"{spec.name:<20} {spec.title}; needs {', '.join(spec.inputs.values())}")
        return 0
    if not options.runs:
        raise InputError("runs", "no table given", "flopwise fit RUNS.csv")
    if options.bootstrap < 0:
        raise InputError("bootstrap", "cannot be negative")
    spec = fit_form(options.form)
    table = load(options, options.runs)
    chosen = table.choose(parse_group(options.group)) if options.group else table
    groups = chosen.groups()
    if len(groups) > MAX_GROUPS:
        raise InputError("group", f"the table holds {len(groups)} groups", "choose with --group, such as " + describe_group(groups[0]))
    fits = [_fit_one(options, spec, chosen.choose(group) if group else chosen) for group in groups]
    if options.json != "-":
        print("\n\n".join(_text(fit) + (_diagnosis(fit) if options.diagnose and fit.params else "") for fit in fits))
    if options.json:
        write_json(options.json, as_json(fits[0]) if len(fits) == 1 else {"groups": [as_json(fit) for fit in fits]})
    if options.out:
        _write_cards(options.out, fits)
    if options.report:
        from server.commands._fit_report import write_report

        write_report(options.report, fits)
    return 0 if any(fit.params for fit in fits) else 1


def _fit_one(options: argparse.Namespace, spec: Any, table: RunTable) -> Fitted:
    progress = Progress(options.bootstrap, "resamples")
    try:
        return fit_runs(
            table,
            spec,
            n_bootstrap=options.bootstrap,
            seed=options.seed,
            method=options.resample,
            n_workers=options.workers,
            progress=progress,
        )
    finally:
        progress.close()


def _text(fit: Fitted) -> str:
    lines = [f"{fit.spec.name} on {len(fit.table)} runs of {fit.table.source} ({describe_group(fit.table.group)})"]
    if fit.target is not None:
        lines.append(f"  {fit.target.form.formula}")
    for name, value in fit.params.items():
        spread = f"  SE {fit.se[name]:.4g}  90% {fit.interval[name][0]:.5g} to {fit.interval[name][1]:.5g}" if name in fit.se else ""
        lines.append(f"  {name:<8} {value:.6g}{spread}")
    if np.isfinite(fit.objective) and fit.params:
        lines.append(f"  sum of Huber losses {fit.objective:.9g}")
    if fit.optimum is not None and fit.params:
        lines.append(f"  {fit.optimum.agree} of {fit.optimum.starts} starts end at this optimum")
    if fit.spread is not None:
        lines.append(f"  {len(fit.spread.theta)} draws, {fit.spread.method} bootstrap, seed {fit.spread.seed}")
    lines.append(f"  verdict: {fit.verdict}")
    lines += [f"  note: {problem}" for problem in fit.table.problems]
    return "\n".join(lines)


def _diagnosis(fit: Fitted) -> str:
    """Warnings, the three approaches, what moves the fit, and profile intervals, as lines."""
    from tools.fitting.diagnose import checklist, diagnosis_tables
    from tools.fitting.profile import profile_intervals

    lines = [f"  check: {text} ({source})" for text, source in checklist(fit)]
    for table in diagnosis_tables(fit):
        if table.name in ("approaches", "sensitivity"):
            lines.append(f"  {table.title}: " + ", ".join(column.label for column in table.columns))
            lines += ["    " + "  ".join(f"{cell:.5g}" if isinstance(cell, float) else str(cell) for cell in row) for row in table.rows]
    lines += [
        f"  profile interval (90%, fitted scale) of {name}: {low:.5g} to {high:.5g}" for name, (low, high) in profile_intervals(fit).items()
    ]
    return "\n" + "\n".join(lines)


def _write_cards(target: str, fits: list[Fitted]) -> None:
    import yaml

    from tools.fitting.card import law_card

    for fit in fits:
        if len(fits) > 1 and not fit.params:
            continue
        card = law_card(fit)
        path = Path(target) if len(fits) == 1 else Path(target).with_name(f"{Path(target).stem}_{card.id}{Path(target).suffix or '.yaml'}")
        try:
            path.write_text(
                yaml.safe_dump(card.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True, width=160),
                encoding="utf8",
            )
        except OSError as error:
            raise InputError("out", f"cannot write {str(path)!r}", error.strerror or "") from None
