"""The ladder's fits against the runs they were fitted to (shared table), task by task."""

import csv

import numpy as np
import pytest
from shared import shared_path

from knowledge import LawBook
from tools._law_values import law_numbers

COLUMNS = {
    "hellaswag": "hellaswag_val",
    "arc_challenge": "arc_challenge_test",
    "arc_easy": "arc_easy_test",
    "piqa": "piqa_val",
    "commonsenseqa": "csqa_val",
    "socialiqa": "socialiqa_val",
    "openbookqa": "openbookqa_test",
}


@pytest.fixture(scope="module")
def runs():
    with shared_path("data/olmo_ladder.csv").open(encoding="utf8") as table:
        rows = [row for row in csv.DictReader(table) if "rerun" not in row["run_id"] and float(row["chinchilla_multiple"]) >= 1]
    return [row for row in rows if float(row["params"]) < 2e9]


@pytest.mark.parametrize("task", COLUMNS)
def test_task_loss_and_accuracy_near_the_runs(runs, task):
    N, D = (np.array([float(row[key]) for row in runs]) for key in ("params", "tokens"))
    out = law_numbers(LawBook(), "bhagia2024_ladder", "accuracy", {"N": N, "D": D}, task)
    loss, accuracy = (np.array([float(row[kind + COLUMNS[task]]) for row in runs]) for kind in ("bpb_", "acc_"))
    assert np.median(np.abs(out["task_loss"] / loss - 1)) < 0.03
    assert np.median(np.abs(out["accuracy"] - accuracy)) < 0.04
