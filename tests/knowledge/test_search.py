from __future__ import annotations

import pytest

from knowledge.papers import papers
from knowledge.search import search, tokenize


@pytest.mark.parametrize(
    ("words", "law"),
    [
        ("compute-optimal diffusion transformer size", "liang2024_dit"),
        ("sampling steps rectified flow CLIP score drop", "esser2024_sd3"),
        ("zero-shot ImageNet error of CLIP from compute", "cherti2023_clip"),
        ("encoder decoder split translation", "ghorbani2021_nmt"),
        ("time series encoder decoder NLL", "yao2024_tsfm"),
        ("adversarial robustness attack success data", "adv2025_training_data"),
        ("optimizer state memory adam muon", "optimizer_memory"),
        ("replication of Chinchilla", "besiroglu2024"),
    ],
)
def test_words_find_their_law_among_the_first_three(words: str, law: str) -> None:
    assert law in [hit.law for hit in search(words, 3)]


@pytest.mark.parametrize("paper", [paper for paper in papers() if not paper.laws], ids=lambda paper: paper.title[:40])
def test_a_paper_without_a_card_says_why(paper) -> None:
    first = search(paper.title, 1)[0]
    assert first.law == ""
    assert first.title == paper.title
    assert first.reason == paper.reason


def test_words_alone_reach_papers_out_of_scope() -> None:
    assert any(hit.reason for hit in search("dental image segmentation challenge", 3))
    assert any("sandpile" in hit.title.lower() for hit in search("sandpiles", 3))


@pytest.mark.parametrize("words", ["", "   ", "?!", "qqqzzzx"])
def test_words_in_common_with_nothing_find_nothing(words: str) -> None:
    assert search(words) == []


def test_results_are_ordered_limited_and_repeatable() -> None:
    hits = search("scaling law loss", 5)
    assert len(hits) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits == search("scaling law loss", 5)


def test_formulas_given_by_the_caller_are_searched() -> None:
    assert search("xylophonic", 3, formulas={"liang2024_dit": "xylophonic = 3"})[0].law == "liang2024_dit"


def test_tokens_are_lower_case_without_plural() -> None:
    assert tokenize("Tokens, LOSS of Models 1e22") == ["token", "loss", "of", "model", "1e22"]
