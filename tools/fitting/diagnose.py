"""What a careful reader would ask of a fit: residual structure, leverage, ranges, sensitivity, and the data behind its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.library import LawBook
from tools.fitting.approaches import approach_1, approach_2, levels, parabolas
from tools.fitting.estimate import solve_resamples
from tools.fitting.fitted import Fitted
from tools.fitting.runs import RunTable, clusters
from tools.result import Column, Table
from tools.sanity import exponent_notices

Floats = npt.NDArray[np.float64]
SURVEY = "Li et al. 2025, (Mis)Fitting: reproducibility checklist"
GUIDE = "Choshen et al. 2024, A Hitchhiker's Guide to Scaling Law Estimation"
_NAMES = {"params": "size", "tokens": "tokens", "flops": "compute"}
_MOST_UNITS = 400  # leave-one-out refits done one by one up to this many runs


def residuals(fit: Fitted) -> Floats:
    """Residuals on the fitted scale [n]."""
    objective, optimum = fit.solved()
    return objective.residuals(optimum.theta[None, :])[0]


def checklist(fit: Fitted) -> list[tuple[str, str]]:
    """Warnings in words, each with its source."""
    table, found = fit.table, list[tuple[str, str]]()
    sizes = len(np.unique(np.round(np.log(table["params"]), 3))) if "params" in table else 0
    if 0 < sizes < 5:
        found.append((f"only {sizes} model sizes: at least five are advised", GUIDE))
    for role, least in (("params", 10.0), ("flops", 30.0)):
        if role in table and (span := float(table[role].max() / table[role].min())) < least:
            found.append(
                (f"{_NAMES[role]} spans only a factor of {span:.1f}: extrapolation beyond ten times the largest run is a guess", SURVEY)
            )
    if "params" in table and "tokens" in table:
        ratio = np.log(table["tokens"] / table["params"])
        if float(np.ptp(ratio)) < np.log(3.0):
            found.append(
                ("all runs have nearly the same tokens per parameter: the effects of size and of data cannot be told apart", SURVEY)
            )
    found += [
        (f"residuals rise or fall with {what} (correlation {r:+.2f}): the form misses something there", SURVEY) for what, r in _trends(fit)
    ]
    heavy = _heavy_tail(fit)
    if heavy:
        found.append((f"{heavy} runs lie more than six typical residuals off: see whether they diverged or were cut short", SURVEY))
    if fit.optimum is not None and fit.optimum.agree < 0.1 * fit.optimum.starts:
        found.append(
            (
                f"only {fit.optimum.agree} of {fit.optimum.starts} starts reached the best optimum: a single start would have missed it",
                SURVEY,
            )
        )
    if clusters(table) is not None and fit.spread is not None and fit.spread.method == "row":
        found.append(("rows are points along runs but were resampled one by one: intervals are too narrow", GUIDE))
    if "params_kind" not in table.words and "embed" not in table.names.get("params", ""):
        found.append(("the table does not say whether sizes count embeddings: state it with the law", SURVEY))
    return found + _by_theory(fit)


def _by_theory(fit: Fitted) -> list[tuple[str, str]]:
    """What theory says of the exponents of a sum of powers of size and data, where the runs determine them."""
    if fit.spec.form not in ("chinchilla_loss", "tied_chinchilla_loss") or fit.status == "undetermined":
        return []
    alpha = fit.params["alpha"]
    return [(notice.text, notice.source) for notice in exponent_notices(LawBook(), alpha, fit.params.get("beta", alpha))]


def _trends(fit: Fitted) -> list[tuple[str, float]]:
    r = np.clip(residuals(fit), -0.05, 0.05)
    found: list[tuple[str, float]] = []
    for role, name in _NAMES.items():
        if role in fit.table and float(np.std(fit.table[role])) > 0 and float(np.std(r)) > 1e-12:
            value = float(np.corrcoef(np.log(fit.table[role]), r)[0, 1])
            if abs(value) > max(0.3, 3.0 / np.sqrt(len(r))):
                found.append((name, value))
    return found


def _heavy_tail(fit: Fitted) -> int:
    r = np.abs(residuals(fit))
    typical = float(np.median(r))
    return int(np.sum(r > 6 * typical)) if typical > 1e-9 else 0


def leverage(fit: Fitted) -> Floats:
    """Share of the fit's curvature that each run carries (hat values) [n]; they sum to the number of coefficients."""
    objective, optimum = fit.solved()
    _, jacobian = objective.linearise(optimum.theta[None, :])
    J = jacobian[0] / np.maximum(np.linalg.norm(jacobian[0], axis=1, keepdims=True), 1e-300)
    return np.einsum("pn,pq,qn->n", J, np.linalg.pinv(J @ J.T), J)


def leave_one_out(fit: Fitted) -> tuple[list[str], dict[str, Floats]]:
    """Coefficients refitted without each run (training runs where rows are points along them), all solved together."""
    objective, optimum = fit.solved()
    codes = clusters(fit.table)
    units = codes if codes is not None else np.arange(len(fit.table))
    ids, first = np.unique(units, return_index=True)
    ids = ids[:_MOST_UNITS]
    weights = (units[None, :] != ids[:, None]).astype(float)
    found = solve_resamples(objective, optimum.theta, lambda a, b: weights[a:b], len(ids))
    words = fit.table.words.get("run" if codes is not None else "run_id")
    labels = [str(words[k]) if words is not None else f"row {int(fit.table.rows[k])}" for k in first[: len(ids)]]
    return labels, objective.natural(found.theta)


def size_exponent(coefficients: dict[str, Any]) -> Any:
    """Exponent of optimal size in compute, beta/(alpha+beta) (Hoffmann et al. 2022, eq. 4); NaN where the form has no such pair."""
    if "alpha" not in coefficients or "beta" not in coefficients:
        return np.nan
    return coefficients["beta"] / (coefficients["alpha"] + coefficients["beta"])


def sensitivity(fit: Fitted) -> list[tuple[str, float, float]]:
    """(what was changed, exponent of optimal size, loss predicted at the largest run) for each variation of the fit."""
    rows = [("as fitted", float(size_exponent(fit.params)), _loss_at_largest(fit, fit.params))]
    labels, refits = leave_one_out(fit)
    exponents = np.asarray(size_exponent(refits), float)
    if exponents.ndim == 1 and np.isfinite(exponents).any():
        for k in (int(np.nanargmin(exponents)), int(np.nanargmax(exponents))):
            rows.append((f"without {labels[k]}", float(exponents[k]), _loss_at_largest(fit, {n: float(v[k]) for n, v in refits.items()})))
    for label, part in _variations(fit.table):
        other = _refit(fit, part)
        if other is not None:
            rows.append((label, float(size_exponent(other)), _loss_at_largest(fit, other)))
    return rows


def _variations(table: RunTable) -> list[tuple[str, RunTable]]:
    found: list[tuple[str, RunTable]] = []
    if "tokens" in table:
        found.append(("shortest quarter of the runs cut", table.take(table["tokens"] >= np.quantile(table["tokens"], 0.25))))
    if "flops" in table:
        found.append(("smallest quarter of compute cut", table.take(table["flops"] >= np.quantile(table["flops"], 0.25))))
        k = table["flops"] / (6 * table["params"] * table["tokens"]) if "params" in table and "tokens" in table else np.ones(1)
        if float(np.max(np.abs(np.log(k)))) > 0.02:
            found.append(("tokens taken as C/(6 N)", _with(table, "tokens", table["flops"] / (6 * table["params"]))))
    return found


def _with(table: RunTable, role: str, values: Floats) -> RunTable:
    from dataclasses import replace

    return replace(table, numbers={**table.numbers, role: values})


def _refit(fit: Fitted, part: RunTable) -> dict[str, float] | None:
    from tools.fitting.fitted import fit_runs

    again = fit_runs(part, fit.spec, n_bootstrap=0, n_starts=16)
    return again.params or None


def _loss_at_largest(fit: Fitted, coefficients: dict[str, float]) -> float:
    objective, _ = fit.solved()
    at = int(np.argmax(fit.table["flops"])) if "flops" in fit.table else 0
    inputs = {name: values[0][at : at + 1] for name, values in objective.inputs.items()}
    return float(objective.predict(objective.internal(coefficients)[None, :], inputs)[0, 0])


def _table(name: str, title: str, columns: list[tuple[str, str, str]], rows: list[list[Any]]) -> Table:
    return Table(name=name, title=title, columns=[Column(name=n, label=label, unit=unit) for n, label, unit in columns], rows=rows)


def diagnosis_tables(fit: Fitted) -> list[Table]:
    """The data of the figures: parity and residuals, isoFLOP curves with optima, forecast band, approaches, sensitivity."""
    tables = [_points(fit)]
    if (
        {"params", "tokens", "flops"} <= set(fit.table.numbers)
        and set(fit.spec.inputs.values()) == {"params", "tokens"}
        and fit.spec.residual == "log"
    ):
        tables += [_isoflop(fit), _band(fit), _approaches(fit)]
    rows = [[label, None if np.isnan(a) else a, loss] for label, a, loss in sensitivity(fit)] if len(fit.table) <= 20_000 else []
    if rows:
        tables.append(
            _table(
                "sensitivity",
                "What moves the fit",
                [
                    ("change", "change", ""),
                    ("size_exponent", "exponent of optimal size", ""),
                    ("loss_at_largest", "loss at the largest run", ""),
                ],
                rows,
            )
        )
    return tables


def _points(fit: Fitted) -> Table:
    r, lever = residuals(fit), leverage(fit)
    measured = fit.table[fit.spec.target]
    objective, optimum = fit.solved()
    predicted = objective.predict(optimum.theta[None, :])[0]
    step = max(1, len(r) // 2000)
    roles = [role for role in ("params", "tokens", "flops") if role in fit.table]
    rows = [
        [
            int(fit.table.rows[i]),
            *(float(fit.table[role][i]) for role in roles),
            float(measured[i]),
            float(predicted[i]),
            float(r[i]),
            float(lever[i]),
        ]
        for i in range(0, len(r), step)
    ]
    columns = [
        ("row", "row", ""),
        *((role, _NAMES[role], "") for role in roles),
        ("measured", "measured", ""),
        ("predicted", "predicted", ""),
        ("residual", "residual (log)" if fit.spec.residual == "log" else "residual", ""),
        ("leverage", "leverage", ""),
    ]
    return _table("residuals", "Parity and residuals", columns, rows)


def _isoflop(fit: Fitted) -> Table:
    """Fitted curves of loss against size at up to eight compute levels, with the optimum of each."""
    groups = [rows for rows in levels(fit.table["flops"]) if len(rows) >= 3]
    chosen = [float(np.median(fit.table["flops"][rows])) for rows in groups] or list(np.quantile(fit.table["flops"], [0.1, 0.5, 0.9]))
    chosen = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, 8).astype(int))]
    sizes = np.exp(np.linspace(np.log(fit.table["params"].min()), np.log(fit.table["params"].max()), 60))
    rows: list[list[Any]] = []
    for C in chosen:
        loss = fit.predict({"N": sizes, "D": C / (6 * sizes)})
        best = int(np.argmin(loss))
        rows += [[C, float(N), float(L), int(k == best)] for k, (N, L) in enumerate(zip(sizes, loss, strict=True))]
    return _table(
        "isoflop",
        "Loss against size at equal compute",
        [("flops", "compute", "FLOP"), ("params", "size", "params"), ("loss", "loss", ""), ("optimum", "best size of the curve", "")],
        rows,
    )


def _band(fit: Fitted) -> Table:
    """Loss at the compute-optimal size over compute, to a hundred times the largest run, with a 90% band of the coefficients."""
    top, low = float(fit.table["flops"].max()), float(fit.table["flops"].min())
    compute = np.exp(np.linspace(np.log(low), np.log(100 * top), 40))
    sizes = np.array([_best_size(fit, float(C)) for C in compute])
    inputs = {"N": sizes, "D": compute / (6 * sizes)}
    centre = fit.predict(inputs)
    draws = fit.target.predict(fit.spread.theta[:400], inputs) if fit.spread is not None and fit.target is not None else centre[None, :]
    lower, upper = np.nanquantile(draws, [0.05, 0.95], axis=0)
    rows = [
        [float(c), float(n), float(m), float(a), float(b), int(c > top)]
        for c, n, m, a, b in zip(compute, sizes, centre, lower, upper, strict=True)
    ]
    return _table(
        "band",
        "Loss at the optimal size",
        [
            ("flops", "compute", "FLOP"),
            ("params", "optimal size", "params"),
            ("loss", "loss", ""),
            ("low", "90% low", ""),
            ("high", "90% high", ""),
            ("beyond", "beyond the runs", ""),
        ],
        rows,
    )


def _best_size(fit: Fitted, C: float) -> float:
    N = np.exp(np.linspace(np.log((C / 6e4) ** 0.5), np.log((C / 0.6) ** 0.5), 200))
    return float(N[int(np.argmin(fit.predict({"N": N, "D": C / (6 * N)})))])


def _approaches(fit: Fitted) -> Table:
    """Optimal size by the three approaches at the largest run's compute and ten times that."""
    top = float(fit.table["flops"].max())
    three = size_exponent(fit.params)
    rows: list[list[Any]] = [
        [
            3,
            None if np.isnan(three) else float(three),
            _best_size(fit, top),
            _best_size(fit, 10 * top),
            len(fit.table),
            "trusts the form; A and alpha trade against each other",
        ]
    ]
    for law in (approach_1(fit.table), approach_2(fit.table)):
        if law is not None:
            rows.append([law.approach, law.exponent, law.params(top), law.params(10 * top), law.points, law.bias])
    columns = [
        ("approach", "approach", ""),
        ("exponent", "exponent of optimal size", ""),
        ("at_largest", "size at the largest compute", "params"),
        ("at_ten_times", "size at ten times that", "params"),
        ("points", "points used", ""),
        ("bias", "known bias", ""),
    ]
    table = _table("approaches", "Optimal size by the three approaches", columns, sorted(rows, key=lambda row: row[0]))
    outside = sum(not p.inside for p in parabolas(fit.table))
    return (
        table.model_copy(update={"note": f"{outside} isoFLOP levels have their optimum outside the sizes that were run"})
        if outside
        else table
    )
