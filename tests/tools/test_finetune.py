import numpy as np
import pytest

from knowledge import InputError, LawBook, MissingInput
from tools._law_values import number
from tools.finetune import accept_then_stop, critical_size, rectified_fits
from tools.registry import call


def test_rectified_loss_of_gpt2_on_flan():
    result = call("finetune", {"model": "gpt-2", "examples": 100_000, "law": "lin2024_rectified"})
    assert number(result.values["loss_gpt2_flan"]) == pytest.approx(2.7222, rel=0.01)


def test_transfer_is_worth_what_the_paper_says():
    result = call("finetune", {"params_total": 1e8, "characters": 1e6, "law": "hernandez2021_transfer"})
    assert number(result.values["transferred_characters"]) == pytest.approx(2.505e8, rel=0.005)
    assert number(result.values["effective_characters"]) == pytest.approx(2.515e8, rel=0.005)
    assert number(result.values["size_worth"]) == pytest.approx(129, rel=0.01)


def test_method_and_its_crossing():
    result = call("finetune", {"params_total": 1e9, "examples": 1e5})
    assert result.values["method"].value == "LoRA"
    laws = LawBook()
    crossing = critical_size(laws, "en_zh", 1e9)
    assert crossing is not None
    below, above = (call("finetune", {"params_total": 1e9, "examples": crossing * factor}).values["lora_gain_en_zh"] for factor in (0.5, 2))
    assert number(below) > 0 > number(above)


def test_tokens_become_examples_by_a_stated_assumption():
    result = call("finetune", {"params_total": 7e9, "tokens": 2e7})
    assert [a.field for a in result.assumptions] == ["tokens_per_example"]
    own = call("finetune", {"params_total": 7e9, "tokens": 2e7, "tokens_per_example": 50})
    assert own.assumptions == []
    assert own.values["examples"].value == 4e5


def test_accept_then_stop_leaves_out_the_slow_start():
    sizes = [200.0 * 2**i for i in range(10)]
    power = [3 * d**-0.1 for d in sizes]
    assert accept_then_stop(sizes, power, 1e6) == pytest.approx(3 * 1e6**-0.1, rel=1e-6)
    slow = [8.0, 6.0, *power[2:]]
    assert accept_then_stop(sizes, slow, 1e6) == pytest.approx(3 * 1e6**-0.1, rel=1e-6)
    with pytest.raises(InputError):
        accept_then_stop([100, 200], [2.0, 1.9], 1e4)
    with pytest.raises(InputError):
        accept_then_stop(sizes, [np.nan] * 10, 1e4)


def test_names_of_measured_models():
    laws = LawBook()
    assert rectified_fits(laws, "OPT-6.7B") == ["opt_6_7b_flan", "opt_6_7b_gigaword"]
    assert rectified_fits(laws, "llama-3-70b") == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, MissingInput),
        ({"model": "llama-3-70b", "law": "lin2024_rectified"}, InputError),
        ({"characters": 1e6, "examples": 3.0}, InputError),
        ({"params_total": 0}, InputError),
    ],
)
def test_bad_input(fields, error):
    with pytest.raises(error):
        call("finetune", fields)
