"""An answer says a quantity once, without contradiction, and leaves out what tells nothing."""

import pytest

from agent import ask
from tools.convert import days_in_words, in_words


@pytest.fixture(scope="module")
def flagship():
    return ask("best model for 1e22 FLOPs on 8 H100s at under $0.20 per million tokens")


def test_every_quantity_has_one_row(flagship):
    labels = [row[0] for row in next(section for section in flagship.sections if section.key == "summary").grid.rows]
    assert len(labels) == len(set(labels))
    assert sum("training time" in label or label == "training" for label in labels) == 1


def test_the_limit_asked_for_is_answered_and_its_doubt_told(flagship):
    assert "; served at $" in flagship.headline
    chance = flagship.results[0].values["price_per_million_tokens_usd_kept"].number
    assert (chance < 0.9) == any("with a chance of" in notice.text for notice in flagship.notices)


def test_what_follows_from_nothing_is_not_told(flagship):
    assert not any("left out" in notice.text for notice in flagship.notices)


def test_one_context_length_and_one_extrapolation_a_law(flagship):
    assert len({item.value for item in flagship.assumptions if item.field == "sequence_length"}) == 1
    sources = [notice.source for notice in flagship.notices if notice.text.startswith("Extrapolated")]
    assert len(sources) == len(set(sources))


def test_a_loss_alone_asks_for_the_critical_batch():
    assert ask("critical batch size at loss 2.3").headline.startswith("Critical batch: 3.98M")


def test_a_stated_mfu_beyond_published_runs_is_doubted():
    found = ask("7B on 1T tokens with 64 H100 at 95% MFU, how long?")
    assert any(notice.level == "warning" and "95%" in notice.text for notice in found.notices)


def test_a_width_that_breaks_the_model_is_called_so():
    assert ask("quantize a 7B to 1 bit").headline.startswith("No: rounding to 1-bit weights breaks the model")


def test_numbers_for_sentences():
    assert [in_words(9.05e9, "params"), in_words(1e22, "FLOP"), in_words(2048.0)] == ["9.05B", "1e22", "2,048"]
    assert [days_in_words(3600.0), days_in_words(86400.0 * 30)] == ["1 hour", "30 days"]
