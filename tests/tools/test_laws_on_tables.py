"""Cards against the runs they were fitted on, where the big tables are at hand."""

import csv

import numpy as np
import pytest
from shared import shared_path

from knowledge import LawBook
from tools.law import compute

BOOK = LawBook()


def table(name: str) -> list[dict[str, str]]:
    with shared_path(f"data/{name}.csv").open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def sum_huber(residuals: np.ndarray, delta: float = 1e-3) -> float:
    size = np.abs(residuals)
    return float(np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta)).sum())


@pytest.mark.parametrize(
    ("law", "variant", "objective", "rel"),
    [
        ("besiroglu2024", "exact_minimum", 0.00101827402, 1e-6),
        ("besiroglu2024", "published", 0.00102284, 1e-4),
        ("besiroglu2024", "published_unrounded", 0.00101864, 1e-4),
        ("hoffmann2022", "approach3_tex", 0.00123531, 2e-3),
        ("hoffmann2022", "approach3_printed", 0.00412101, 1e-4),
    ],
)
def test_objective_of_the_chinchilla_surfaces(law: str, variant: str, objective: float, rel: float):
    rows = [row for row in table("chinchilla_epoch") if row["outlier"] == "0"]
    assert len(rows) == 240
    predicted = compute(BOOK.get(law), "loss", {"N": column(rows, "params"), "D": column(rows, "tokens")}, variant)["L"]
    assert sum_huber(np.log(predicted) - np.log(column(rows, "loss"))) == pytest.approx(objective, rel=rel)


@pytest.mark.parametrize(("dataset", "variant"), [("stack_v2_python", "stack"), ("pile", "pile")])
def test_parallel_streams_within_eight_per_mille_of_every_run(dataset: str, variant: str):
    rows = [row for row in table("parscale") if row["dataset"] == dataset]
    assert len(rows) == 24
    predicted = compute(BOOK.get("chen2025_parscale"), "loss", {"N": column(rows, "params"), "P": column(rows, "streams")}, variant)["L"]
    assert np.abs(predicted / column(rows, "loss") - 1).max() < 0.008


@pytest.mark.parametrize(("dataset", "variant"), [("c4_original", "c4"), ("rpj", "redpajama"), ("rw_original", "refinedweb")])
def test_overtrained_losses_follow_the_runs(dataset: str, variant: str):
    rows = [row for row in table("gadre_openlm") if row["dataset"] == dataset and float(row["token_multiplier"]) >= 5]
    predicted = compute(BOOK.get("gadre2024"), "loss", {"N": column(rows, "params"), "D": column(rows, "tokens")}, variant)["L"]
    assert np.median(np.abs(predicted / column(rows, "loss") - 1)) < 0.02


def test_data_constrained_losses_are_biased_low_but_follow_the_trend():
    rows = [row for row in table("datablations") if 1 < float(row["epochs"]) <= 40 and float(row["loss"]) < 5 and row["dataset"] == "c4"]
    given = {"N": column(rows, "params"), "D": column(rows, "tokens"), "U_D": column(rows, "unique_tokens")}
    predicted = compute(BOOK.get("muennighoff2023"), "loss", given)["L"]
    measured = column(rows, "loss")
    assert np.median(predicted / measured) < 1
    assert np.corrcoef(predicted, measured)[0, 1] > 0.9


def test_llama3_tokens_lie_at_the_bottom_of_its_isoflop_curves():
    rows = [row for row in table("llama3_isoflops") if row["outlier"] == "0"]
    for flops in sorted({row["flops"] for row in rows}):
        curve = [row for row in rows if row["flops"] == flops]
        x, y = np.log(column(curve, "tokens")), column(curve, "loss")
        a, b, _ = np.polyfit(x, y, 2)
        best = compute(BOOK.get("llama3_2024_alloc"), "optimum", {"C": float(flops)})["D"]
        assert float(best) == pytest.approx(float(np.exp(-b / (2 * a))), rel=0.25)
