"""Curves around an optimum, as tables that a figure draws: the isoFLOP valley and the loss along the frontier of compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.law import INTERVAL_LEVEL
from tools.result import Column, Number, Table
from tools.surface import Coefficients, Surface

VALLEY, FRONTIER = "valley", "loss_frontier"
FIGURE_TABLES = (VALLEY, FRONTIER)
_POINTS = 41


def valley(law: Surface, C: float, best: float) -> Table:
    """Loss against params at one compute, from a tenth to ten times the best size."""
    sizes = np.geomspace(best / 10, best * 10, _POINTS)
    losses = law.loss(sizes, C / (K * sizes))
    rows: list[list[Number]] = [
        [float(n), C / (K * float(n)), float(loss), i == _POINTS // 2] for i, (n, loss) in enumerate(zip(sizes, losses, strict=True))
    ]
    columns = [
        Column(name="params", unit="params"),
        Column(name="tokens", unit="tokens"),
        Column(name="loss", unit=_unit(law)),
        Column(name="best"),
    ]
    return Table(name=VALLEY, title=f"Loss by size at the same compute ({law.card.id})", columns=columns, rows=rows)


def frontier(law: Surface, C: float) -> Table:
    """Least loss against compute around a budget, with the interval of the law's draws and the fit region marked."""
    budgets = np.geomspace(C / 1e3, C * 1e2, _POINTS)
    low_c, high_c = law.card.region.get("C", (None, None))
    rows: list[list[Number]] = []
    for budget in budgets:
        outcome, bounds = law.evaluate(lambda c, budget=float(budget): {"L": _least(law, budget, c)})
        low, high = bounds.get("L", (None, None))
        inside = (low_c is None or budget >= low_c) and (high_c is None or budget <= high_c)
        rows.append([float(budget), outcome["L"], low, high, bool(inside)])
    columns = [
        Column(name="compute", unit="FLOP"),
        Column(name="loss", unit=_unit(law)),
        Column(name="low", unit=_unit(law)),
        Column(name="high", unit=_unit(law)),
        Column(name="fitted"),
    ]
    return Table(name=FRONTIER, title=f"Least loss by compute ({law.card.id}, {INTERVAL_LEVEL:.0%} band)", columns=columns, rows=rows)


def _least(law: Surface, C: float, coefficients: Coefficients | None) -> Any:
    best = law.best_params(C, coefficients)
    return law.loss(best, C / (K * best), coefficients)


def _unit(law: Surface) -> str:
    return next(iter(law.card.relations["loss"].outputs.values())).unit
