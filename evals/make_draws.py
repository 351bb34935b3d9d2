"""Writes knowledge/draws/besiroglu2024.csv: 1000 bootstrap draws, seed 2024, of the exact-minimum Chinchilla fit on chinchilla_epoch.

python -m evals.make_draws ../shared/data/chinchilla_epoch.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from tools.fitting.fitted import fit_runs
from tools.fitting.runs import read_runs
from tools.fitting.spec import fit_form

SEED = 2024
DRAWS = 1000


def main(path: str) -> None:
    """Fit the runs of a CSV and write the joint draws of the five coefficients into the law base."""
    fit = fit_runs(read_runs(path), fit_form("chinchilla"), n_bootstrap=DRAWS, seed=SEED)
    draws = fit.draws()
    target = Path(__file__).resolve().parents[1] / "knowledge" / "draws" / "besiroglu2024.csv"
    with target.open("w", newline="", encoding="utf8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(draws)
        writer.writerows([f"{value:.8g}" for value in row] for row in zip(*draws.values(), strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
