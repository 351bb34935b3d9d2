"""Each paper of the mission answers, and the index page is current."""

from __future__ import annotations

import csv

import pytest
from shared import shared_path

from knowledge import LawBook
from knowledge.advice import FILE, compile_advice, published_advice
from knowledge.index import path, render
from knowledge.papers import Paper, find_paper, papers
from tools.forms import get_form

BOOK = LawBook()
INSIDE = [paper for paper in papers() if paper.laws]


@pytest.mark.parametrize("paper", INSIDE, ids=lambda paper: paper.title[:60])
def test_each_paper_answers_by_a_relation_a_form_or_advice(paper: Paper) -> None:
    cards = [BOOK.get(law) for law in paper.laws]
    assert any(paper.title in (card.title, *card.titles) for card in cards), f"{paper.laws} do not carry the title"
    for card in cards:
        forms = [get_form(relation.form) for relation in card.relations.values()]
        advice = [item for item in card.advice if item.when and item.say]
        assert forms or advice
        if card.kind != "finding":
            assert forms


def test_the_papers_are_those_of_the_mission() -> None:
    with shared_path("laws/INDEX.csv").open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    expected = {row["title"]: () if row["law_id"] == "out_of_scope" else tuple(row["law_id"].split(";")) for row in rows}
    assert {paper.title: paper.laws for paper in papers()} == expected


def test_every_dossier_has_a_card() -> None:
    dossiers = {entry.stem for entry in shared_path("laws").glob("*.yaml") if entry.stem.islower()}
    assert dossiers - set(BOOK.ids()) == set()


def test_titles_are_unique_and_reasons_given() -> None:
    titles = [paper.title for paper in papers()]
    assert len(titles) == len(set(titles))
    assert all(paper.reason for paper in papers() if not paper.laws)


def test_a_paper_is_found_whatever_its_punctuation() -> None:
    found = find_paper("deepseek-llm scaling") or find_paper("chinchilla scaling a replication attempt")
    assert found is not None
    assert found.laws == ("besiroglu2024",)
    assert find_paper("no such paper at all") is None


def test_the_index_page_is_current() -> None:
    assert path().read_text(encoding="utf8") == render(), "run `python -m knowledge.index`"


def test_the_compiled_advice_is_that_of_the_cards() -> None:
    assert path().with_name(FILE).read_text(encoding="utf8") == compile_advice(), "run `python -m knowledge.index`"
    assert list(published_advice()) == [(card.id, advice) for card in BOOK for advice in card.advice]


def test_the_index_page_names_every_paper_once() -> None:
    page = render()
    for paper in papers():
        assert page.count(f"- {paper.title}: ") == 1, paper.title
