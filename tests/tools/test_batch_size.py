import pytest

from knowledge import InputError, MissingInput
from tools.registry import call
from tools.result import Result


def batch(**fields: object) -> Result:
    return call("batch_size", fields)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"tokens": 2e11, "law": "li2025_steplaw"}, 1.646e6),
        ({"observed_loss": 2.57, "law": "kaplan2020"}, 2.345e6),
        ({"target_loss": 3.5, "law": "hu2024_minicpm"}, 4.881e5),
        ({"params_total": 3.02e8, "tokens_per_param": 20, "law": "zhang2024_cbs"}, 6.918e5),
        ({"compute_flops": 1e20, "law": "deepseek2024_hparams"}, 1.0171e6),
        ({"tokens": 3e11, "tokens_before": 3e10, "batch_tokens": 5e5, "law": "bergsma2025_powerlines"}, 1.208e6),
    ],
)
def test_published_batches(fields: dict[str, object], tokens: float) -> None:
    assert batch(**fields).values["batch_tokens"].value == pytest.approx(tokens, rel=0.003)


def test_the_ratio_carries_the_published_interval() -> None:
    value = batch(tokens=3e11, tokens_before=3e10, batch_tokens=5e5, law="bergsma2025_powerlines").values["batch_tokens"]
    assert value.level == 0.8
    assert (value.low, value.high) == (pytest.approx(5e5 * 10**0.367), pytest.approx(5e5 * 10**0.391))


def test_recalled_prefactors_are_used_only_by_name_and_say_so() -> None:
    named = batch(tokens=3e11, law="bergsma2025_powerlines")
    assert any(notice.level == "warning" and "recalled" in notice.text for notice in named.warnings)
    assert all(value.variant != "prefactors" for item in batch(tokens=3e11).alternatives for value in item.values.values())


def test_an_anchor_without_its_tokens_is_asked_for() -> None:
    with pytest.raises(MissingInput, match="tokens_before"):
        batch(tokens=3e11, batch_tokens=5e5, law="bergsma2025_powerlines")


def test_four_million_tokens_is_too_big_for_20b_tokens() -> None:
    result = batch(params_total=1e9, tokens=2e10, batch_tokens=4e6)
    assert "above the critical" in str(result.values["verdict"].value)
    assert result.values["batch_to_critical"].value == pytest.approx(4e6 / result.values["critical_batch_tokens"].number)
    assert 0.2 < result.values["extra_tokens"].number < 1.5


def test_small_batches_are_judged_otherwise_and_excess_is_small_near_the_best() -> None:
    best = batch(tokens=1e11).values["batch_tokens"].number
    near = batch(tokens=1e11, batch_tokens=best * 1.0001)
    assert near.values["verdict"].value == "near the best batch"
    assert near.values["excess_loss"].value == pytest.approx(0.001, rel=0.01)
    assert "below" in str(batch(tokens=1e11, batch_tokens=best / 10).values["verdict"].value)


def test_best_batch_carries_an_interval_and_a_region_flag() -> None:
    value = batch(tokens=1.4e12).values["batch_tokens"]
    assert value.low is not None
    assert value.high is not None
    assert value.low < value.number < value.high
    assert any(flag.startswith("D = ") for flag in value.outside)


def test_a_size_alone_is_taken_at_twenty_tokens_per_param() -> None:
    result = batch(params_total=1e9)
    assert result.values["batch_tokens"].value == batch(tokens=2e10).values["batch_tokens"].value
    assert "tokens" in {item.field for item in result.assumptions}


def test_a_law_without_batches_is_passed_over_openly() -> None:
    result = batch(tokens=1e11, law="besiroglu2024")
    assert result.values["batch_tokens"].law == "li2025_steplaw"
    assert any("besiroglu2024 gives no batch size" in reason for reason in result.reasons)


def test_bad_input() -> None:
    with pytest.raises(MissingInput):
        batch()
    with pytest.raises(MissingInput, match="target_loss"):
        batch(tokens=1e11, law="hu2024_minicpm")
    for fields in ({"tokens": 0}, {"tokens": 1e11, "batch_tokens": -1}, {"tokens": 1e11, "law": "nosuch"}):
        with pytest.raises(InputError):
            batch(**fields)
