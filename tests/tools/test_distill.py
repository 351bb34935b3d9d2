import pytest

from knowledge import InputError, LawBook, MissingInput
from tools._law_values import law_numbers, number
from tools.distill import LAW
from tools.registry import call


def test_supervised_loss_and_cost_of_a_named_teacher():
    result = call("distill", {"params_total": 1e9, "compute_flops": 1e21, "model": "llama-3.1-70b"})
    values = result.values
    # 6 N_S D + 2 N_T D = C with the published size of the teacher
    assert number(values["student_flops"]) + number(values["teacher_forward_flops"]) == pytest.approx(1e21, rel=1e-9)
    assert number(values["tokens_saving_needed"]) == pytest.approx(24.5, rel=0.01)
    assert number(values["loss_at_equal_compute"]) < number(values["loss_without_teacher"])
    assert "train" in str(values["decision"].value)


def test_cheap_teacher_already_there_is_worth_distilling_from():
    result = call("distill", {"params_total": 3e9, "tokens": 6e10, "teacher_params": 4e9, "teacher_tokens": 5e11})
    dear = call("distill", {"params_total": 3e9, "tokens": 6e10, "teacher_params": 4e11, "teacher_tokens": 5e11})
    assert number(result.values["tokens_saving_needed"]) < number(dear.values["tokens_saving_needed"])
    assert str(dear.values["decision"].value).startswith("train")
    assert not str(result.values["decision"].value).startswith("train")


def test_student_loss_only_when_the_law_is_named_and_marked_as_recalled():
    fields = {"params_total": 1.8e9, "tokens": 2e11}
    assert call("distill", fields).alternatives == []
    named = call("distill", {**fields, "law": LAW})
    best = named.alternatives[0].values
    assert "recalled" in best["best_student_loss"].note
    assert number(best["best_teacher_loss"]) < number(best["best_student_loss"]) < number(named.values["loss_without_teacher"])
    assert any("memory" in notice.text for notice in named.warnings)


def test_best_teacher_is_the_minimum_over_teacher_losses():
    laws, given = LawBook(), {"N_S": 1.82e9, "D_S": 3.89e10}
    best = law_numbers(laws, LAW, "best_teacher", given, "student")
    for shift in (-0.05, 0.05):
        assert law_numbers(laws, LAW, "student_loss", {**given, "L_T": float(best["L_T"]) + shift}, "student")["L_S"] > best["L_S"]


def test_cheapest_model_for_a_loss_inverts_the_optimum():
    laws = LawBook()
    optimum = law_numbers(laws, LAW, "supervised_optimum", {"C": 1e21})
    back = law_numbers(laws, LAW, "params_for_loss", {"L_sup": optimum["L_sup"]})
    assert float(back["C"]) == pytest.approx(1e21, rel=1e-6)
    assert float(back["N"]) == pytest.approx(float(optimum["N"]), rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"tokens": 1e9}, MissingInput),
        ({"params_total": -1.0}, InputError),
        ({"params_total": 7e10, "teacher_params": 1e9}, InputError),
        ({"params_total": 1e9, "model": "no-such-model"}, InputError),
    ],
)
def test_bad_input(fields, error):
    with pytest.raises(error):
        call("distill", fields)
