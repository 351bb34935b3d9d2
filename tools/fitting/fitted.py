"""From a table to a fitted law: checks that the data can carry it, the fit, its spread, and a verdict in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from knowledge.errors import InputError
from tools.fitting.bootstrap import Method, Spread, bootstrap
from tools.fitting.estimate import N_STARTS, Optimum, find_optimum, make_objective
from tools.fitting.objective import HUBER_DELTA, Objective
from tools.fitting.runs import RunTable, clusters, for_size_and_tokens
from tools.fitting.spec import FitForm

Floats = npt.NDArray[np.float64]
Status = Literal["determined", "weak", "undetermined"]
N_BOOTSTRAP = 1000
LEVEL = 0.9
_FEW_NONPOSITIVE = 0.1  # up to this share, losses at or below zero are taken for faulty rows


@dataclass(frozen=True)
class Fitted:
    """A fit of one form to one group. `params` is empty when the data cannot determine the form; `reasons` say why."""

    spec: FitForm
    table: RunTable
    status: Status
    reasons: tuple[str, ...] = ()
    params: dict[str, float] = field(default_factory=dict)
    se: dict[str, float] = field(default_factory=dict)
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    correlation: list[list[float]] = field(default_factory=list)
    objective: float = float("nan")
    optimum: Optimum | None = None
    spread: Spread | None = None
    target: Objective | None = None

    @property
    def verdict(self) -> str:
        """One sentence a reader can act on."""
        lead = {
            "determined": "the runs determine the law",
            "weak": "the runs determine the law only in part",
            "undetermined": "the runs do not determine the law",
        }[self.status]
        return lead + (": " + "; ".join(self.reasons) if self.reasons else "")

    def draws(self) -> dict[str, Floats]:
        """Joint draws of the coefficients, as many as were made."""
        return self.spread.coefficients(self.target) if self.spread is not None and self.target is not None else {}

    def predict(self, inputs: dict[str, Floats]) -> Floats:
        """Predicted target [n] at the form's inputs."""
        objective, optimum = self.solved()
        return objective.predict(optimum.theta[None, :], inputs)[0]

    def solved(self) -> tuple[Objective, Optimum]:
        """Objective and optimum; raises InputError with the verdict when the runs determined nothing."""
        if self.target is None or self.optimum is None:
            raise InputError("fit", "there is no fit", self.verdict)
        return self.target, self.optimum


def _too_little(spec: FitForm, table: RunTable) -> str:
    """Why this table cannot determine this form, before any fitting; empty when it may."""
    p, n = len(spec.parameters), len(table)
    if n < p + 1:
        return f"{n} runs cannot determine {p} coefficients; at least {p + 1} are needed, and {2 * p} to say how well"
    inputs = {role: table[role] for role in spec.inputs.values()}
    head = np.stack(list(inputs.values()), 1)[:5000]  # settings of a long table need not all be compared
    distinct = len(np.unique(head, axis=0))
    if distinct < p:
        return f"only {distinct} different settings among {n} runs for {p} coefficients; vary {' and '.join(inputs)}"
    needed = 3 if "E" in spec.names else 2
    for role, values in inputs.items():
        count = len(np.unique(np.round(np.log(np.maximum(values, 1e-300)), 6)))
        if count < needed and role in ("params", "tokens", "flops"):
            few = "all runs have one value" if count == 1 else "there are only two values"
            return f"{few} of {role}, so its exponent cannot be told from the floor; run at least {needed} values"
    if float(np.ptp(table[spec.target])) == 0.0:
        return f"every run has the same {spec.target}"
    return ""


def settle_residual(spec: FitForm, table: RunTable) -> tuple[FitForm, RunTable, str]:
    """Losses at or below zero have no logarithm: a few are set aside as faults, many mean a normalised loss, fitted as it is."""
    values = table[spec.target]
    bad = values <= 0
    if spec.residual != "log" or not bad.any():
        return spec, table, ""
    name = table.names.get(spec.target, spec.target)
    if bad.mean() <= _FEW_NONPOSITIVE:
        return spec, table.set_aside(bad, "zero or negative: a log fit cannot take it", name), ""
    note = (
        f"{int(bad.sum())} of {len(table)} losses are zero or negative, so no log fit exists: fitted on the loss itself (linear residuals)"
    )
    return spec.linear_residual(), table, note


def fit_runs(
    table: RunTable,
    spec: FitForm,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    method: Method | None = None,
    n_starts: int = N_STARTS,
    delta: float = HUBER_DELTA,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit one form to one group of runs. Never raises for data that cannot carry the law: the verdict says so."""
    table = for_size_and_tokens(table) if set(spec.inputs.values()) <= {"params", "tokens", "flops"} else table
    spec, table, note = settle_residual(spec, table)
    notes = (note,) if note else ()
    lack = _too_little(spec, table)
    if lack:
        return Fitted(spec, table, "undetermined", (*notes, lack))
    if spec.residual == "linear":
        delta = delta * float(np.mean(np.abs(table[spec.target])))
    objective = make_objective(spec, table, delta)
    optimum = find_optimum(objective, n_starts)
    no_signal = _no_signal(objective, optimum, table)
    if no_signal:
        return Fitted(spec, table, "undetermined", (*notes, no_signal), objective=optimum.cost, optimum=optimum, target=objective)
    runs = clusters(table)
    chosen: Method = method or ("run" if runs is not None else "row")
    spread = (
        bootstrap(objective, optimum, n_bootstrap, seed=seed, method=chosen, clusters=runs, n_workers=n_workers, progress=progress)
        if n_bootstrap
        else None
    )
    return _summarise(spec, table, objective, optimum, spread, notes)


def _no_signal(objective: Objective, optimum: Optimum, table: RunTable) -> str:
    """Whether the law explains the losses no better than a constant would; empty when it clearly does."""
    y, delta = objective.y[0], objective.delta

    def cost(r: Floats) -> float:
        size = np.abs(r)
        inner = np.minimum(size, delta)
        return float(np.sum(inner * (size - inner / 2)))

    flat = cost(y - np.median(y))
    n, p = objective.n, objective.p
    gain = (flat - optimum.cost) / max(p - 1, 1) / max(optimum.cost / max(n - p, 1), 1e-300)
    # Gain per coefficient over what is left per run: the F ratio of nested fits; 5 is p < 0.001 for 5 coefficients and 50 runs.
    if gain >= 5.0:
        return ""
    if "flops" in table:
        rank = np.corrcoef(np.argsort(np.argsort(table["flops"])), np.argsort(np.argsort(objective.target)))[0, 1]
        if rank > 0.3:
            return "the loss rises with scale, which no law of falling terms describes: check the loss column's sign and the runs' health"
    return "the law explains the losses no better than a constant does: no trend with scale stands out of the noise"


def _summarise(
    spec: FitForm, table: RunTable, objective: Objective, optimum: Optimum, spread: Spread | None, notes: tuple[str, ...]
) -> Fitted:
    natural = {name: float(value) for name, value in objective.natural(optimum.theta).items()}
    se: dict[str, float] = {}
    interval: dict[str, tuple[float, float]] = {}
    correlation: list[list[float]] = []
    if spread is not None and len(spread.theta) > 1:
        draws = spread.coefficients(objective)
        with np.errstate(all="ignore"):
            se = {name: float(np.std(values, ddof=1)) for name, values in draws.items()}
            interval = {name: (float(np.quantile(v, (1 - LEVEL) / 2)), float(np.quantile(v, (1 + LEVEL) / 2))) for name, v in draws.items()}
            correlation = np.atleast_2d(np.nan_to_num(np.corrcoef(spread.theta.T))).tolist()
    weak = _weaknesses(objective, optimum, spread, interval)
    return Fitted(
        spec,
        table,
        "weak" if weak else "determined",
        (*notes, *weak),
        natural,
        se,
        interval,
        correlation,
        optimum.cost,
        optimum,
        spread,
        objective,
    )


def _weaknesses(objective: Objective, optimum: Optimum, spread: Spread | None, interval: dict[str, tuple[float, float]]) -> list[str]:
    found: list[str] = []
    names = objective.spec.names
    for i, name in enumerate(names):
        low, high = objective.bounds[0][i], objective.bounds[1][i]
        if optimum.theta[i] <= low + 1e-9 or optimum.theta[i] >= high - 1e-9:
            found.append(f"{name} ends at its bound: its term is not in the data")
    _, jacobian = objective.linearise(optimum.theta[None, :])
    scale = np.sqrt(np.einsum("pn,pn->p", jacobian[0], jacobian[0]))
    flat = [name for name, size in zip(names, scale, strict=True) if size < 1e-7 * max(float(scale.max()), 1e-300)]
    found += [f"the losses do not depend on {name}" for name in flat]
    if not flat:
        singular = np.linalg.svd(jacobian[0] / scale[:, None], compute_uv=False)
        if singular[-1] < 1e-5 * singular[0]:
            found.append("some coefficients can be traded for each other without changing any fitted loss")
    if not optimum.converged:
        found.append("the search stopped before its tolerance")
    for name in names:
        if name in interval and name in ("alpha", "beta", "E"):
            low, high = interval[name]
            if not np.isfinite([low, high]).all() or (low > 0 and high / low > 5) or -1e-3 * high <= low <= 1e-3 * high:
                found.append(f"{name} is anywhere from {low:.3g} to {high:.3g}")
    if spread is not None and spread.failed > 0.05 * len(spread.theta):
        found.append(f"{spread.failed} of {len(spread.theta)} resamples did not converge")
    return found


def as_json(fit: Fitted) -> dict[str, Any]:
    """The measuring contract (`params`, `se`, `objective`) and everything needed to judge it; NaN becomes null."""

    def plain(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    optimum = fit.optimum
    out: dict[str, Any] = {
        "form": fit.spec.name,
        "formula": fit.target.form.formula if fit.target else "",
        "group": fit.table.group,
        "residual": fit.spec.residual,
        "runs": len(fit.table),
        "params": {k: plain(v) for k, v in fit.params.items()} or None,
        "se": {k: plain(v) for k, v in fit.se.items()} or None,
        "interval90": {k: [plain(a), plain(b)] for k, (a, b) in fit.interval.items()} or None,
        "objective": plain(fit.objective),
        "status": fit.status,
        "verdict": fit.verdict,
        "reasons": list(fit.reasons),
        "correlation": fit.correlation or None,
        "problems": [str(problem) for problem in fit.table.problems],
    }
    if optimum is not None:
        out["search"] = {"starts": optimum.starts, "agree": optimum.agree, "converged": optimum.converged}
    if fit.spread is not None:
        out["bootstrap"] = {
            "draws": len(fit.spread.theta),
            "method": fit.spread.method,
            "seed": fit.spread.seed,
            "not_converged": fit.spread.failed,
        }
    return out
