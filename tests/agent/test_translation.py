"""Answers in the question's language: no English heading in the commonest answers, every number as in English."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from agent import ask, translation
from agent.answer import Answer
from agent.brief import Brief
from agent.checker import numbers_in
from agent.translation import LANGUAGES, said, with_units
from agent.understand import parse
from knowledge.hardware import accelerators

RUN: dict[str, Any] = {"params_total": 7e9, "tokens": 2e12}
CLUSTER: dict[str, Any] = {"accelerator": "h100-sxm", "n_accelerators": 64}
BRIEFS: dict[str, dict[str, Any]] = {
    "allocate": {"compute_flops": 1e22},
    "plan": {
        "task": "allocate",
        "compute_flops": 1e22,
        "accelerator": "h100-sxm",
        "n_accelerators": 8,
        "price_per_million_tokens_usd": 0.2,
    },
    "predict_loss": RUN,
    "wall_clock": {**RUN, **CLUSTER, "n_accelerators": [64, 128]},
    "cost": {**RUN, **CLUSTER},
    "memory": {"params_total": 13e9, "accelerator": "a100-40gb", "n_accelerators": 8},
    "serve": {"params_total": 7e9, "accelerator": "h100-sxm"},
    "quantize": {**RUN, "weight_bits": 4},
    "qat": {"params_total": 3e9, "tokens": 3e11, "weight_bits": 4},
    "batch_size": RUN,
    "hyperparameters": RUN,
}


@functools.cache
def answer(task: str, language: str | None) -> Answer:
    brief = Brief.read({"task": task, **BRIEFS[task]})
    return ask(brief=brief.changed(language=language))


def headings(found: Answer) -> list[str]:
    """Titles, column heads and what the numbers of the summary are, in order."""
    texts: list[str] = []
    for section in found.sections:
        texts.append(section.title)
        if section.grid:
            texts += section.grid.header
            texts += [row[0] for row in section.grid.rows] if section.key == "summary" else []
    return texts


def technical(text: str) -> bool:
    """Names that every language writes alike: accelerators, MFU, QAT, the plan."""
    return text in ("", "MFU", "Plan", "QAT") or any(text.startswith(part.name) for part in accelerators().values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", BRIEFS)
def test_no_heading_of_a_common_answer_is_english(task: str, language: str) -> None:
    catalogue = {*translation._catalogue()["words"], *translation.words(language)["sections"].values()}
    pairs = zip(headings(answer(task, None)), headings(answer(task, language)), strict=True)
    # A heading that reads the same ("tokens" in French) is one only where the catalogue says so.
    same = {english for english, other in pairs if english == other and not technical(english)}
    assert {text for text in same if text not in catalogue} == set(), "give agent/templates/texts.yaml these headings"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", BRIEFS)
def test_every_number_is_as_in_english(task: str, language: str) -> None:
    plain, other = answer(task, None), answer(task, language)
    assert other.results == plain.results
    for section, theirs in zip(plain.sections, other.sections, strict=True):
        for line, translated in zip(section.lines, theirs.lines, strict=True):
            assert numbers_in(translated) == numbers_in(line)
        rows = zip(section.grid.rows, theirs.grid.rows, strict=True) if section.grid and theirs.grid else ()
        for row, translated in rows:
            assert [numbers_in(cell) for cell in translated] == [numbers_in(cell) for cell in row]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", BRIEFS)
def test_headlines_are_in_the_language(task: str, language: str) -> None:
    english = r"\b(?:the|train|on|with|of|for|expected|loss|about|spend|batch|peak|rate|days|params|per|yes|fits|quantize|weights)\b"
    technical = {"de": {"batch", "loss"}, "fr": {"batch"}, "es": {"batch"}}.get(language, set())
    said = answer(task, language).headline.lower().replace("micro-batch", "")
    assert set(re.findall(english, said)) <= technical


def test_the_catalogue_is_whole() -> None:
    for english, ways in translation._catalogue()["words"].items():
        assert len(ways) == len(LANGUAGES), english
        for way in ways:
            assert sorted(re.findall(r"{\w+}", way)) == sorted(re.findall(r"{\w+}", english)), english
            assert numbers_in(re.sub(r"{\w+}", "", way)) == numbers_in(re.sub(r"{\w+}", "", english)), english
    assert all(len(ways) == len(LANGUAGES) for part in ("units", "marks") for ways in translation._catalogue()[part].values())


def test_what_is_not_translated_stays_english() -> None:
    assert said("Nothing of the kind stands in the catalogue.", "de") == "Nothing of the kind stands in the catalogue."
    assert said("training time", None) == said("training time", "ko") == "training time"
    assert said("{0} {training time}", "de") == "{0} {training time}"
    assert with_units("9.05B params on Params Street, 3.2 days", "de") == "9.05B Parameter on Params Street, 3.2 Tage"
    assert said("N = 8B is above the fitted 1B; extrapolated", "fr") == "N = 8B dépasse 1B, borne de l'ajustement; extrapolé"


def test_what_is_asked_back_is_named_in_the_language() -> None:
    question = "Welche Modellgröße ist optimal?"
    assert parse(question).language == "de"
    assert "Rechenaufwand (FLOP)" in ask(question).headline
