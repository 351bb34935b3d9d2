import math

import pytest

from knowledge import InputError, MissingInput
from tools.registry import call


def test_int8_against_four_bits_for_a_7b_on_2t_tokens() -> None:
    values = call("quantize", {"params_total": 7e9, "tokens": 2e12, "weight_bits": [8, 4]}).values
    four, eight = values["loss_increase_4bit"].number, values["loss_increase_8bit"].number
    by_hand = 0.0598 * 2e12**0.5068 / 7e9**0.3439 * math.exp(-4 / 0.5907 + 1.1277)
    assert four == pytest.approx(by_hand, rel=1e-9)
    assert eight < 0.001 < four


def test_both_laws_agree_at_four_bits_and_are_both_shown() -> None:
    result = call("quantize", {"params_total": 8e9, "tokens": 1.5e13, "weight_bits": 4})
    other = next(item for item in result.alternatives if item.name == "ouyang2024_qid")
    assert result.values["loss_increase"].value == pytest.approx(0.396, rel=0.005)
    assert other.values["loss_increase"].value == pytest.approx(0.399, rel=0.01)


def test_added_loss_rises_with_tokens_and_falls_with_bits_and_size() -> None:
    def added(**fields: float) -> float:
        return call("quantize", {"params_total": 1e9, "tokens": 1e11, "weight_bits": 4, **fields}).values["loss_increase"].number

    assert added(tokens=1e12) > added() > added(params_total=1e10)
    assert added(weight_bits=3) > added() > added(weight_bits=8)


def test_bits_that_fit_a_memory() -> None:
    result = call("quantize", {"params_total": 7e10, "memory_bytes": 4.8e10})
    assert result.values["max_bits_per_weight"].value == pytest.approx(8 * 48 / 70)
    formats = {str(row[0]): row for row in next(table for table in result.tables if table.name == "formats").rows}
    assert formats["Q4_K_M"][3] is True
    assert formats["Q5_K_M"][3] is False
    assert formats["Q4_K_M"][2] == pytest.approx(4.2826e10, rel=1e-4)


def test_three_or_four_bits_in_16_gib_takes_the_wider_and_warns() -> None:
    result = call("quantize", {"params_total": 3e10, "weight_bits": [3, 4], "memory_bytes": 2**34})
    assert result.values["weight_bits"].value == 4.0
    assert any("tenth of the memory" in notice.text for notice in result.warnings)


def test_nothing_fits() -> None:
    result = call("quantize", {"params_total": 4.05e11, "weight_bits": 4, "memory_bytes": 2.4e10})
    assert result.feasible is False
    assert any(notice.level == "warning" for notice in result.warnings)


def test_a_known_model_brings_its_own_counts_and_tokens() -> None:
    result = call("quantize", {"model": "llama-3-8b", "weight_bits": 4})
    assumed = {item.field: item.value for item in result.assumptions}
    assert assumed["params_nonembedding"] == pytest.approx(8.03e9 - 2 * 128256 * 4096, rel=0.01)
    assert assumed["tokens"] == pytest.approx(1.5e13, rel=0.05)


def test_below_three_bits_the_law_fitted_there_answers() -> None:
    result = call("quantize", {"params_total": 1e9, "tokens": 1e11, "weight_bits": 2})
    assert result.values["loss_increase"].law == "ouyang2024_qid"


def test_missing_and_bad_input() -> None:
    with pytest.raises(MissingInput):
        call("quantize", {"weight_bits": 4})
    for bits in (0, 64, [4, 0.2]):
        with pytest.raises(InputError, match="weight_bits"):
            call("quantize", {"params_total": 1e9, "weight_bits": bits})
    with pytest.raises(InputError, match="nosuch"):
        call("quantize", {"params_total": 1e9, "weight_bits": 4, "law": "nosuch"})
