"""Relations that undo one another do: a law asked forth and back returns to where it started."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge import LawBook
from tools.law import compute

BOOK = LawBook()

# law, variant, relation forth with its inputs, output carried on; relation back, the input it feeds, further inputs, output to compare.
PAIRS: list[tuple[str, str | None, str, dict[str, Any], str, str, str, dict[str, Any], str]] = [
    *(
        (law, None, forth, given, out, back, feeds, more, name)
        for law in ("hoffmann2022", "besiroglu2024", "sardana2024")
        for forth, given, out, back, feeds, more, name in (
            ("loss", {"N": 2e9, "D": 8e10}, "L", "tokens_for_loss", "L", {"N": 2e9}, "D"),
            ("loss", {"N": 2e9, "D": 8e10}, "L", "params_for_loss", "L", {"D": 8e10}, "N"),
            ("optimum", {"C": 1e22}, "L", "compute_for_loss", "L", {}, "C"),
            ("optimum", {"C": 1e22}, "N", "optimum_for_params", "N", {}, "C"),
            ("optimum", {"C": 1e22}, "D", "optimum_for_tokens", "D", {}, "C"),
        )
    ),
    ("llama3_2024_alloc", None, "optimum", {"C": 1e23}, "D", "optimum_for_tokens", "D", {}, "C"),
    ("gadre2024", "c4", "error_17task", {"L": 2.6}, "Err", "loss_for_error_17task", "Err", {}, "L"),
    ("gadre2024", "c4", "error_46task", {"L": 2.6}, "Err", "loss_for_error_46task", "Err", {}, "L"),
    ("muennighoff2023", None, "repetition_value", {"epochs": 9.0}, "share", "epochs_for_share", "share", {}, "epochs"),
    ("dremov2025_qat", None, "share", {"S_total": 1600.0}, "f_star", "tokens_per_byte", "f_star", {}, "S_total"),
    ("li2025_steplaw", None, "batch_size", {"D": 1e11}, "bs_tokens", "tokens_for_batch", "bs_tokens", {}, "D"),
    ("zhang2024_cbs", None, "critical_batch_of_tokens", {"D": 2e10}, "CBS20_tokens", "tokens_for_critical_batch", "CBS20_tokens", {}, "D"),
    ("busbridge2025_distillation", None, "supervised_loss", {"N": 1e9, "D": 5e10}, "L_sup", "tokens_for_loss", "L_sup", {"N": 1e9}, "D"),
    ("busbridge2025_distillation", None, "supervised_optimum", {"C": 1e21}, "L_sup", "params_for_loss", "L_sup", {}, "C"),
    (
        "hernandez2021_transfer",
        None,
        "effective_data",
        {"D_F": 1e6, "N": 1e8},
        "D_E",
        "params_for_effective_data",
        "D_E",
        {"D_F": 1e6},
        "N",
    ),
    ("zhang2024_finetuning", None, "loss", {"X": 1e9, "D_f": 5e5}, "L", "examples_for_loss", "L", {"X": 1e9}, "D_f"),
    ("lin2024_rectified", None, "loss", {"D": 1e5}, "loss", "examples_for_loss", "L", {}, "D"),
    ("brown2024_monkeys", None, "coverage", {"k": 100.0}, "coverage", "samples_for_coverage", "coverage", {}, "k"),
    ("ruan2024_observational", None, "family", {"C": 1e23}, "PC1", "family_compute", "PC1", {}, "C"),
    ("ye2024_mixing", None, "loss", {"r": 0.4}, "L", "share_for_loss", "L", {}, "r"),
    ("gu2024_cmr", None, "critical_ratio", {"T": 1e10}, "R", "tokens_for_ratio", "R", {}, "T"),
    ("hu2024_minicpm", None, "batch_size", {"L": 3.5}, "B_tokens", "loss_for_batch", "B_tokens", {}, "L"),
    ("kaplan2020", None, "loss_from_compute", {"C": 1e20}, "L", "compute_for_loss", "L", {}, "C"),
    ("kaplan2020_bcrit", None, "critical_batch", {"L": 3.0}, "B_crit", "loss_for_batch", "B_crit", {}, "L"),
    ("cherti2023_clip", None, "error", {"C": 1e12}, "err", "compute_for_error", "err", {}, "C"),
    ("nezhurina2025_clip_mammut", None, "error", {"C": 1e11}, "err", "compute_for_error", "err", {}, "C"),
    ("henighan2020", None, "loss_of_compute", {"C": 1.0}, "L", "compute_for_loss", "L", {}, "C"),
    ("henighan2020", None, "optimum", {"C": 1.0}, "N_opt", "compute_for_params", "N", {}, "C"),
    ("liang2024_dit", None, "loss", {"C": 1e20}, "L", "compute_for_loss", "L", {}, "C"),
    ("chen2025_parscale", None, "equivalent", {"N": 1e9, "P": 4}, "N_multiple", "streams", "multiple", {}, "P"),
    (
        "ouyang2024_qid",
        None,
        "degradation",
        {"N": 1e9, "D": 1e11, "P": 3},
        "dq_loss",
        "tokens_for_degradation",
        "dq_loss",
        {"N": 1e9, "P": 3},
        "D",
    ),
    ("frantar2023_sparsity", None, "compute_for_sparsity", {"S": 0.7, "N": 5e7}, "C", "optimal_sparsity", "C", {"N": 5e7}, "S"),
    ("yin2024_videodit", None, "optimum", {"C": 1e22}, "N_opt", "compute_for_params", "N_opt", {}, "C"),
    ("bhagia2024_ladder", "mmlu", "accuracy", {"N": 7e9, "D": 2e12}, "accuracy", "tokens_for_accuracy", "target_accuracy", {"N": 7e9}, "D"),
]


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{pair[0]}-{pair[5]}" for pair in PAIRS])
def test_forth_and_back(pair: tuple[str, str | None, str, dict[str, Any], str, str, str, dict[str, Any], str]) -> None:
    law, variant, forth, given, out, back, feeds, more, name = pair
    card = BOOK.get(law)
    carried = float(compute(card, forth, given, variant)[out])
    returned = float(compute(card, back, {feeds: carried, **more}, variant)[name])
    assert returned == pytest.approx(given[name], rel=2e-4)


def test_best_sizes_are_minima() -> None:
    import numpy as np

    for law, relation, given in (("abnar2025_moe_sparsity", "optimum", {"C": 1e20, "S": 0.9}), ("besiroglu2024", "optimum", {"C": 1e21})):
        card = BOOK.get(law)
        best = compute(card, relation, given)
        active = 1 - given.get("S", 0.0)
        sizes = float(best["N"]) * np.geomspace(0.5, 2, 2001)
        point = {"N": sizes, "D": given["C"] / (6 * sizes * active), **({"S": given["S"]} if "S" in given else {})}
        losses = compute(card, "loss", point)["L"]
        assert sizes[int(np.argmin(losses))] == pytest.approx(float(best["N"]), rel=1e-3)
