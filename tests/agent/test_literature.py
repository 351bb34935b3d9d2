"""Papers named in a question: by id, title or author and year; where a law holds; papers without a card."""

from __future__ import annotations

import pytest

from agent import ask
from knowledge import LawBook
from knowledge.papers import laws_named, outside_named, papers

BOOK = LawBook()


@pytest.mark.parametrize(
    ("text", "laws"),
    [
        ("What does Hoffmann et al. 2022 say?", ("hoffmann2022",)),
        ("explain porian2024_hparams", ("porian2024_hparams",)),
        ("Porian (2024)", ("porian2024",)),
        ("Explain Hägele et al.", ("hagele2024_cooldown",)),
        ("Bergsma et al. 2025", ("bergsma2025_d2z", "bergsma2025_powerlines")),
        ("a run we did in May 2024 on 2024 GPUs", ()),
        ("tell me about starbucks, a fan and my heart", ()),
    ],
)
def test_papers_are_found_by_id_and_author(text: str, laws: tuple[str, ...]) -> None:
    assert laws_named(text) == laws
    assert laws_named(text, surnames=True) == laws


def test_every_title_and_every_id_is_found_in_a_sentence() -> None:
    for paper in papers():
        said = f'What does "{paper.title}" say?'
        assert set(paper.laws) <= set(laws_named(said))
        assert bool(paper.laws) != (paper in outside_named(said))
    for card in BOOK:
        assert card.id in laws_named(f"explain {card.id}")
        assert card.id in laws_named(f"Explain the paper {card.title}.")


@pytest.mark.parametrize(
    ("question", "law", "said"),
    [
        ("Is the Muennighoff law valid at 70B?", "muennighoff2023", "8.05 times beyond"),
        ("Should I trust the Kumar precision law at 70B?", "kumar2024_precision", "times beyond"),
        ("uncertainty of alpha in Muennighoff", "muennighoff2023", "0.3526596"),
        ("Can I trust Besiroglu at 1e21 FLOP?", "besiroglu2024", "inside the fit"),
        ("What does Hoffmann et al. 2022 say?", "hoffmann2022", "L = E + A/N^alpha + B/D^beta"),
        ("Explain Porian 2024", "porian2024", "porian2024"),
        ("explain TTS-VAR", "ttsvar2025", "0.75"),
        ("formula of Besiroglu 2024", "besiroglu2024", "482"),
        ("what does Villalobos say", "villalobos2023_tradeoff", "training_factor"),
        ("What does the Schaeffer paper on predicting downstream capabilities say?", "schaeffer2024_elusive", "log-probability"),
    ],
)
def test_a_named_paper_is_explained(question: str, law: str, said: str) -> None:
    answer = ask(question)
    assert (answer.brief.task, answer.brief.laws) == ("explain", [law])
    assert said in answer.text


def test_a_paper_without_a_card_is_told_why() -> None:
    outside = next(paper for paper in papers() if not paper.laws and paper.title.count(" ") > 4)
    assert outside.reason in ask(f'What does "{outside.title}" say?').text


def test_a_question_with_quantities_keeps_its_task() -> None:
    assert ask("What does Gadre say the loss of 1.4B params on 900B tokens is?").brief.task == "predict_loss"
    assert ask("best size for 1e22 FLOP by Kaplan").brief.task == "allocate"


@pytest.mark.parametrize(
    ("question", "law"),
    [
        ("Who found that critical batch size scales with data?", "zhang2024_cbs"),
        ("Which law for MoE granularity?", "krajewski2024_moe"),
        ("who found that data can be repeated for 4 epochs", "muennighoff2023"),
        ("which paper gives the optimal learning rate?", "deepseek2024_hparams"),
        ("who proposed the gradient noise scale", "mccandlish2018_noise"),
    ],
)
def test_who_found_something_is_looked_up(question: str, law: str) -> None:
    brief = ask(question).brief
    assert brief.task == "explain"
    assert (brief.laws or [""])[0] == law
