"""The real series of ../shared/data and their back-tests: leave the largest out, compute at most a third, at most a tenth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.fitting.runs import RunTable, for_size_and_tokens, read_runs

TABLES = (
    "chinchilla_epoch",
    "llama3_isoflops",
    "misfitting",
    "gemstones_hot",
    "gemstones_lr_ablation",
    "olmo_ladder",
    "steplaw_dense",
    "steplaw_moe",
    "datablations",
    "gadre_openlm",
    "porian",
)
# Tables of one laboratory and recipe stand or fall together when one is left out.
FAMILIES = {"gemstones_lr_ablation": "gemstones", "gemstones_hot": "gemstones", "steplaw_moe": "steplaw", "steplaw_dense": "steplaw"}
TASKS = {"largest": 1.0, "3x": 3.0, "10x": 10.0}


@dataclass(frozen=True)
class Case:
    """Fit on `train`, predict `target`. `window` 1 repeats the test with the series cut at a quarter of its compute."""

    series: str
    family: str
    window: int
    task: str
    train: RunTable
    target: RunTable


def all_series(folder: Path) -> dict[str, RunTable]:
    """Each group of each table that an L(N, D) law may be fitted to."""
    found: dict[str, RunTable] = {}
    for name in TABLES:
        table = read_runs(folder / f"{name}.csv")
        for group in table.groups():
            part = for_size_and_tokens(table.choose(group) if group else table)
            found[":".join([name, *group.values()])] = part
    return found


def targets(flops: np.ndarray) -> np.ndarray:
    """The largest runs: the top isoFLOP level, or the top three runs, or the top twentieth, whichever is most."""
    falling = np.sort(flops)[::-1]
    return flops >= 0.999 * min(falling[0] / 1.6, falling[min(2, len(falling) - 1)], falling[len(falling) // 20])


def cases(folder: Path, windows: tuple[float, ...] = (1.0,)) -> Iterator[Case]:
    """Every back-test that has at least six runs to fit on."""
    for series, whole in all_series(folder).items():
        table_name = series.split(":")[0]
        for window, cut in enumerate(windows):
            part = whole.take(whole["flops"] <= whole["flops"].max() / cut * 1.001)
            if len(part) < 10:
                continue
            large = targets(part["flops"])
            lowest = float(part["flops"][large].min())
            for task, ratio in TASKS.items():
                train = part["flops"] < lowest * 0.999 if ratio == 1.0 else part["flops"] <= lowest / ratio * 1.001
                if train.sum() >= 6:
                    yield Case(series, FAMILIES.get(table_name, table_name), window, task, part.take(train), part.take(large))


def geometric_mean_error(errors: list[float]) -> float:
    """Geometric mean of median relative errors in percent; an error below 0.02% counts as 0.02%."""
    return float(np.exp(np.mean(np.log(np.maximum(errors, 0.02)))))
