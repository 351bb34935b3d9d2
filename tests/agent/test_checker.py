"""The gate for a model's prose: whatever says a number in any guise is refused, the question's own numbers and plain prose pass."""

from __future__ import annotations

import pytest

from agent.checker import loose_numbers
from agent.prose import refusals
from tools.result import Value

QUESTION = "best model for 1e22 FLOPs on 8 H100s within two weeks, maybe 7B?"
NUMBERS = [
    "about 42 days", "roughly 3.5 of them", "at 40%", "1e23 FLOP", "a ７B model", "x² as much", "½ of it", "③ of them", "٤٢ days", "४२",
    "forty-two days", "seventy billion", "a dozen", "twice as much", "half the data", "one third", "doubles it", "a quarter", "twentyfold", "zero cost", "ten to the twenty-second",
    "fifteen per cent", "several hundred", "a single card", "a fortnight", "ninety-nine percent", "three hundredths", "thirty-somethings",
    "zweiundvierzig Tage", "siebzig Milliarden", "die Hälfte", "dreifach", "doppelt so viel", "zwölf Prozent", "Dutzende", "hunderttausend", "anderthalb Wochen", "ein Drittel", "fünfzigprozentig",
    "quarante-deux jours", "soixante-dix milliards", "la moitié", "une douzaine", "vingt pour cent", "deux fois plus", "le tiers",
    "cuarenta y dos días", "setenta mil millones", "la mitad", "el doble", "una docena", "veinte por ciento", "treinta", "quinientos",
    "四十二天", "七百亿参数", "两倍", "一半", "百分之二十", "七十二", "三台", "兆",
    "四十二日", "七百億", "半分", "二倍", "二十パーセント", "ななばい", "にせん", "ゼロ", "ダース",
    "settanta miliardi", "trinta", "zeventig miljard", "ershi tian", "nijuu", "qibai yi",
    "XLII days", "MMXX", "sev\u200ben days", "s e v e n days", "s-e-v-e-n days", "семь дней", "сorty ѕeven", "9 H100s", "8 days", "8 weeks", "70B", "7T", "H200", "2 weeks",
    "see https://x.example", "<b>fine</b>", "[a](b)", "ⅷ days", "𝟕 days", "⁷", "seven\u00adty", "SEVENTY", "Siebzig", "se\u0301ven", "three-quarters",
]  # fmt: skip
PLAIN = [
    "Train the model on the data; the loss ends near the frontier.", "This rests on the fit of the second approach, and both laws agree.",
    "On 8 H100s this takes longer than two weeks, so the 7B model is too large for 1e22 FLOPs.", "Die Antwort: eine kleinere Größe ist besser, weil die Daten knapp sind.",
    "Il faut un modèle plus petit et une durée plus longue par rapport au budget.", "Se necesita un modelo más pequeño y una duración mayor.",
    "应该训练更小的模型,一般而言数据更重要,参数更少。", "より小さいモデルを学習するのがよいです。学習率は変わりません。", "The chosen law applies due to the region it was fitted on.",
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_in_any_guise_is_refused(text: str) -> None:
    assert loose_numbers(f"It needs {text} in all", QUESTION)


@pytest.mark.parametrize("text", PLAIN)
def test_plain_prose_and_the_questions_own_numbers_pass(text: str) -> None:
    assert loose_numbers(text, QUESTION) == []


VALUES = {"allocate.tokens": Value(value=1e12, unit="tokens"), "allocate.loss": Value(value=2.0, unit="nats/token")}


@pytest.mark.parametrize(
    "text",
    [
        "about {{allocate.price}}",
        "{{ {{allocate.tokens}} }}",
        "{allocate.tokens}",
        "{{allocate.tokens}}0 more",
        "1{{allocate.tokens}}",
        "x" * 2000,
        "{{allocate.tokens}}.5",
    ],
)
def test_a_wrong_reference_is_refused(text: str) -> None:
    assert refusals(text, QUESTION, VALUES)


def test_references_pass() -> None:
    assert refusals("Train on {{allocate.tokens}}, ending at {{ allocate.loss }}.", QUESTION, VALUES) == []
