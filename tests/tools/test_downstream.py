import pytest

from knowledge import InputError
from tools._law_values import number
from tools.registry import call


def test_ladder_reproduces_its_published_prediction():
    result = call("downstream", {"params_total": 6.9e9, "tokens": 3.9e12, "law": "bhagia2024_ladder"})
    assert number(result.values["task_loss_mmlu"]) == pytest.approx(0.7871, rel=0.01)
    accuracy = result.values["accuracy_mmlu"]
    assert number(accuracy) == pytest.approx(0.4837, rel=0.01)
    assert accuracy.low < number(accuracy) < accuracy.high
    assert any("N" in flag for flag in accuracy.outside)


def test_known_model_brings_its_tokens_and_its_nonembedding_count():
    result = call("downstream", {"model": "llama-2-7b"})
    assert {a.field for a in result.assumptions} == {"tokens", "params_nonembedding"}
    inputs = result.values["accuracy_mmlu"].inputs
    assert inputs["D"] == 2e12
    assert inputs["N"] == pytest.approx(6.738e9 - 2 * 32000 * 4096, rel=0.01)


def test_more_of_either_never_lowers_a_score():
    base = call("downstream", {"params_total": 1e9, "tokens": 1e11}).values
    for fields in ({"params_total": 2e9, "tokens": 1e11}, {"params_total": 1e9, "tokens": 2e11}):
        more = call("downstream", fields).values
        assert all(number(more[key]) > number(base[key]) for key in base if key.startswith("accuracy_"))


def test_error_from_a_loss():
    result = call("downstream", {"observed_loss": 2.4, "law": "gadre2024"})
    assert number(result.values["top1_error"]) == pytest.approx(0.4599, rel=0.005)


def test_families_answer_for_math_and_code():
    result = call("downstream", {"compute_flops": 8.4e23, "benchmark": "GSM8K"})
    gsm8k = result.values["gsm8k"]
    assert result.headline[0] == "gsm8k"
    assert gsm8k.low <= 0.54 <= gsm8k.high  # Llama-2-70B, whose compute this is, scores 0.541


def test_without_a_size_the_published_errors_of_forecasts():
    result = call("downstream", {})
    assert (result.values["forecast_error_aggregate"].value, result.values["forecast_error_single"].value) == (6, 18)


def test_tokens_for_an_accuracy_and_out_of_reach():
    reach = call("downstream", {"params_total": 7e9, "target_accuracy": 0.8, "benchmark": "hellaswag"}).values["tokens_for_accuracy"]
    again = call("downstream", {"params_total": 7e9, "tokens": number(reach)}).values["accuracy_hellaswag"]
    assert number(again) == pytest.approx(0.8, rel=1e-6)
    never = call("downstream", {"params_total": 1e9, "target_accuracy": 0.9, "benchmark": "hellaswag"}).values["tokens_for_accuracy"]
    assert never.value == "out of reach at this size"


@pytest.mark.parametrize(
    "fields", [{"params_total": 7e9, "target_accuracy": 0.8, "benchmark": "chess"}, {"tokens": -1.0}, {"observed_loss": float("nan")}]
)
def test_bad_input(fields):
    with pytest.raises(InputError):
        call("downstream", fields)
