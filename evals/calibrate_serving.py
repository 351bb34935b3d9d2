"""Fits the serving efficiencies to a table of measurements: python -m evals.calibrate_serving ROWS.csv [--write].

Maximum a posteriori by Gauss-Newton: residuals are log(predicted/measured) of output tokens/s (and of the time to the first token where
measured), robustly weighted; every efficiency is a general log value plus effects of vendor, generation, framework family and their pair,
all with normal priors (tools/systems/serving_efficiency.py:PRIORS), so that a group with few rows stays near what it belongs to.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tools.systems.serving_case import Case, flat
from tools.systems.serving_efficiency import PRIORS, effect_keys, resolve_many
from tools.systems.serving_interval import cell, familiarity, pair, quantiles
from tools.systems.serving_load import throughput
from tools.systems.serving_rows import case_of

Array = NDArray[np.float64]
_STEP = 1e-4  # of a log efficiency, for its derivative
_SCALE = 0.15  # residuals well beyond this count linearly
_ITERATIONS = 20
_STEPS = (1.0, 0.5, 0.25, 0.1, 0.03)
_TOLERANCE = 2e-4  # relative fall of the loss below which a fit has arrived
_SOURCES = 4  # new sources from which on a regime speaks for itself
# What small batches show. Of a generation measured only at full load and unknown batch these stay near what its vendor's other parts have,
# or they would take the blame for whatever slows its rows.
_SMALL_BATCH, _UNTOLD = frozenset({"bandwidth", "launch", "host"}), 1.0 / 3.0
_ENOUGH = 100  # rows of known cells from other sources, from which on they say something about unseen sources


@dataclass
class Data:
    """Cases with what was measured; nan where a quantity was not."""

    cases: list[Case]
    rate: Array
    first: Array
    source: NDArray[np.str_]
    id: NDArray[np.str_]


def read(rows: Sequence[Mapping[str, Any]]) -> Data:
    """Rows of the table as data; rows that measured nothing of use are left out."""
    kept = [
        (case_of(row), _measured(row, "output_tokens_per_s_total"), _first(row), str(row["source_group"]), str(row["id"])) for row in rows
    ]
    kept = [entry for entry in kept if np.isfinite(entry[1]) or np.isfinite(entry[2])]
    cases, rate, first, source, name = zip(*kept, strict=True)
    return Data(list(cases), np.array(rate), np.array(first), np.array(source), np.array(name))


def _measured(row: Mapping[str, Any], key: str) -> float:
    try:
        value = float(row[key])
    except (KeyError, ValueError, TypeError):
        return float("nan")
    return value if value > 0 else float("nan")


def _first(row: Mapping[str, Any]) -> float:
    """Seconds to the first token where the whole batch was read at once (a closed loop queues, which prefill alone does not tell)."""
    closed = "closed" in str(row.get("scenario", ""))
    return float("nan") if closed else _measured(row, "ttft_ms") / 1e3


def predict(data: Data, effects: Mapping[str, float], shift: str | None = None, reread: tuple[Any, ...] | None = None) -> Array:
    """Log of predicted output tokens/s (first half) and seconds to the first token (second half); `shift` moves one efficiency by _STEP."""
    replicas, load, starts = reread or flat(data.cases)
    eff = resolve_many(effects, [case.generation for case in data.cases], [case.family for case in data.cases])
    counts = [len(case.replicas) for case in data.cases]
    eff = {name: np.repeat(value * (np.exp(_STEP) if name == shift else 1.0), counts) for name, value in eff.items()}
    out = throughput(replicas, eff, load)
    best = np.maximum.reduceat(out["output_tokens_per_s"], starts)
    return np.log(np.concatenate([best, np.minimum.reduceat(out["prefill"], starts)]))


def effect_table(cases: Sequence[Case]) -> dict[str, float]:
    """Every effect the cases call for, with its prior standard deviation."""
    table: dict[str, float] = {}
    told = {case.generation for case in cases if case.regime != "open"}
    for generation, family in sorted({(case.generation, case.family) for case in cases}):
        for name, (_, general, hardware, software) in PRIORS.items():
            if name in _SMALL_BATCH and generation not in told:
                hardware *= _UNTOLD
            deviations = (general, hardware, hardware, software, 0.7 * min(hardware, software))
            for key, deviation in zip(effect_keys(name, generation, family), deviations, strict=True):
                if deviation > 0:
                    table[key] = max(deviation, table.get(key, 0.0))
    return table


def fit(data: Data, iterations: int = _ITERATIONS, start: Mapping[str, float] | None = None) -> dict[str, float]:
    """Effects that fit the data best under their priors; `start` are effects to set out from."""
    deviations = effect_table(data.cases)
    keys = list(deviations)
    where = {key: i for i, key in enumerate(keys)}
    prior = np.array([float(np.log(PRIORS[key][0])) if key in PRIORS else 0.0 for key in keys], dtype=np.float64)
    spread = np.array(list(deviations.values()))
    incidence = {name: np.zeros((len(data.cases), len(keys))) for name in PRIORS}
    for i, case in enumerate(data.cases):
        for name in PRIORS:
            for key in dict.fromkeys(effect_keys(name, case.generation, case.family)):
                if key in where:
                    incidence[name][i, where[key]] = 1.0
    observed = np.log(np.concatenate([data.rate, data.first]))
    seen = np.isfinite(observed)
    weight = np.concatenate([_balance(data.source)] * 2) * np.concatenate([np.ones(len(data.cases)), np.full(len(data.cases), 0.5)])
    reread = flat(data.cases)
    values = prior.copy() if start is None else np.array([start.get(key, 0.0) for key in keys], dtype=np.float64)

    def loss(at: Array, residual: Array) -> float:
        """Pseudo-Huber loss of the residuals and the prior."""
        return float(weight @ (seen * (np.sqrt(1.0 + (residual / _SCALE) ** 2) - 1.0)) + 0.5 * np.sum(((at - prior) / spread) ** 2))

    def residuals(at: Array) -> tuple[Array, Array]:
        base = predict(data, dict(zip(keys, at, strict=True)), None, reread)
        return base, np.where(seen, base - np.where(seen, observed, 0.0), 0.0)

    base, residual = residuals(values)
    for _ in range(iterations):
        jacobian = np.zeros((len(base), len(keys)))
        for name in PRIORS:
            slope = (predict(data, dict(zip(keys, values, strict=True)), name, reread) - base) / _STEP
            jacobian += np.concatenate([incidence[name]] * 2) * slope[:, None]
        robust = weight * seen / np.sqrt(1.0 + (residual / _SCALE) ** 2) / _SCALE**2
        normal = (jacobian * robust[:, None]).T @ jacobian + np.diag(spread**-2.0)
        slope_of_loss = (jacobian * robust[:, None]).T @ residual + (values - prior) / spread**2
        move = -np.asarray(np.linalg.solve(normal, slope_of_loss), dtype=np.float64)
        before = loss(values, residual)
        for share in _STEPS:  # the fastest layout may change on the way: go only as far as the loss falls
            trial = values + share * np.clip(move, -0.5, 0.5)
            new_base, new_residual = residuals(trial)
            if loss(trial, new_residual) < before:
                break
        else:
            break
        values, base, residual = trial, new_base, new_residual
        if before - loss(values, residual) < _TOLERANCE * before:
            break
    return dict(zip(keys, values.tolist(), strict=True))


def _balance(source: NDArray[np.str_]) -> Array:
    """Weight of each row: a source counts by the square root of its rows, so that one big table does not decide alone."""
    names, inverse, counts = np.unique(source, return_inverse=True, return_counts=True)
    del names
    weight = counts[inverse] ** -0.5
    return weight / weight.mean()


def select(data: Data, mask: NDArray[np.bool_]) -> Data:
    """Some rows of the data."""
    cases = [case for case, keep in zip(data.cases, mask, strict=True) if keep]
    return Data(cases, data.rate[mask], data.first[mask], data.source[mask], data.id[mask])


def configurations(data: Data, folds: int = 5) -> NDArray[np.str_]:
    """A fold for each row so that rows of one source, part, software, layout and model stay together; drawn by a fixed seed."""
    keys = [
        f"{s}|{c.part_id}|{c.family}|{c.replicas[0].ranks}|{c.replicas[0].layers}|{c.replicas[0].always_bytes:.3g}"
        for s, c in zip(data.source, data.cases, strict=True)
    ]
    names = sorted(set(keys))
    drawn = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % folds, strict=True))
    return np.array([str(drawn[key]) for key in keys])


@dataclass
class HeldOut:
    """Predictions of rows by fits that had not seen their group: log output tokens/s, log seconds to the first token, and how
    familiar the case then was."""

    predicted: Array
    first: Array
    known: NDArray[np.str_]


def leave_out(data: Data, groups: NDArray[np.str_]) -> HeldOut:
    """Leave one group out at a time and predict it from the rest."""
    predicted, first = np.full(len(data.cases), np.nan), np.full(len(data.cases), np.nan)
    known = np.full(len(data.cases), "new", dtype="<U8")
    for group in np.unique(groups):
        held = groups == group
        rest, left = select(data, ~held), select(data, held)
        predicted[held], first[held] = np.split(predict(left, fit(rest)), 2)
        cells, pairs = familiar(rest)
        known[held] = [familiarity(case, cells, pairs) for case in left.cases]
    return HeldOut(predicted, first, known)


def familiar(data: Data) -> tuple[dict[str, int], dict[str, int]]:
    """Rows per cell and per pair of the data."""
    cells, pairs = Counter(map(cell, data.cases)), Counter(map(pair, data.cases))
    return dict(sorted(cells.items())), dict(sorted(pairs.items()))


def intervals(
    data: Data, sources: HeldOut, configurations: HeldOut, skip: NDArray[np.bool_] | None = None
) -> dict[str, dict[str, list[float]]]:
    """Bounds of log(measured/predicted) by regime and familiarity.

    What is known is judged by unseen configurations and unseen sources alike, what is not by unseen sources; `skip` leaves rows out
    (the source under test).
    """
    keep = np.isfinite(data.rate) & (~skip if skip is not None else True)
    regime = np.array([case.regime for case in data.cases])
    outer, inner = np.log(data.rate) - sources.predicted, np.log(data.rate) - configurations.predicted
    strange = keep & (sources.known == "new")
    bounds: dict[str, dict[str, list[float]]] = {}
    for name in ("batch-1", "load", "open"):
        here = keep & (regime == name)
        met, near = here & (configurations.known == "known"), here & (sources.known == "known")
        known = quantiles(inner[met])
        if near.sum() >= _ENOUGH:
            other = quantiles(outer[near])
            known = min(known[0], other[0]), max(known[1], other[1])
        related = here & (sources.known != "new")
        odd = strange & here if len(np.unique(data.source[strange & here])) >= _SOURCES else strange
        pools = {"known": known, "related": quantiles(outer[related], data.source[related]), "new": quantiles(outer[odd], data.source[odd])}
        bounds[name] = {level: [round(value, 4) for value in pool] for level, pool in pools.items()}
    return bounds


def converged(data: Data, start: Mapping[str, float] | None = None, rounds: int = 30) -> dict[str, float]:
    """The fit continued from `start` until two further iterations move no prediction by more than half a per cent."""
    effects = fit(data, start=start)
    for _ in range(rounds):
        further = fit(data, iterations=2, start=effects)
        moved = float(np.abs(predict(data, further) - predict(data, effects))[: len(data.rate)].max())
        effects = further
        if moved < 0.005:
            break
    return effects


def calibrate(data: Data, sources: HeldOut, inner: HeldOut) -> dict[str, Any]:
    """The calibration the product ships: effects, intervals, and what they were made from."""
    cells, pairs = familiar(data)
    effects = {key: round(value, 5) for key, value in converged(data).items() if abs(value) >= 5e-4 or key in PRIORS}
    return {
        "rows": int(np.isfinite(data.rate).sum()),
        "sources": sorted(set(data.source.tolist())),
        "effects": effects,
        "intervals": intervals(data, sources, inner),
        "cells": cells,
        "pairs": pairs,
    }


def main() -> None:
    """Fit and, with --write, ship."""
    rows = read_csv(Path(sys.argv[1]))
    data = read(rows)
    shipped = calibrate(data, leave_out(data, data.source), leave_out(data, configurations(data)))
    text = yaml.safe_dump(shipped, sort_keys=False, width=160, default_flow_style=None)
    head = "# Serving efficiencies and residuals: written by `python -m evals.calibrate_serving ROWS.csv --write`, not by hand.\n"
    if "--write" in sys.argv:
        (Path(__file__).parent.parent / "knowledge" / "serving_calibration.yaml").write_text(head + text, encoding="utf8")
    else:
        print(text)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a table of measurements."""
    with path.open(encoding="utf8", newline="") as handle:
        return list(csv.DictReader(handle))


if __name__ == "__main__":
    main()
