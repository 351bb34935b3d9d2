import numpy as np
import pytest

from knowledge import InputError, LawBook
from tools._law_values import law_numbers
from tools.sanity import allocation_notices, exponent_notices, regime


def test_published_fits_pass_without_a_word():
    laws = LawBook()
    assert exponent_notices(laws, 0.3478, 0.3658) == []
    assert exponent_notices(laws, 0.34, 0.28) == []


def test_doubtful_exponents_are_named():
    laws = LawBook()
    assert "near 1" in exponent_notices(laws, 0.97, 0.9)[0].text
    assert "flat" in exponent_notices(laws, 0.01, 0.3)[0].text
    assert allocation_notices(0.95)[0].level == "caution"
    with pytest.raises(InputError):
        exponent_notices(laws, float("nan"), 0.3)


def test_dimension_of_an_exponent():
    assert regime(0.095, LawBook()).dimension == pytest.approx(42, rel=0.01)


@pytest.mark.parametrize(
    ("alpha", "beta", "name"),
    [(1.0, 0.2, "Ia"), (0.4, 0.3, "Ib"), (0.15, 0.8, "Ic"), (1.0, 0.7, "II"), (0.7, 0.9, "III"), (0.4, 0.9, "IVa"), (0.27, 0.9, "IVb")],
)
def test_phases_agree_with_minimising_the_loss_terms(alpha, beta, name):
    """The best size at a huge budget, found on a grid of sizes, grows with the exponent of the phase."""
    laws = LawBook()
    phase = law_numbers(laws, "paquette2024_phases", "phase", {"alpha": alpha, "beta": beta})
    assert str(phase["phase"]) == name
    budgets = np.array([1e40, 1e44])
    sizes = np.geomspace(1e2, 1e38, 60_001)
    losses = [
        law_numbers(laws, "paquette2024_phases", "loss", {"r": f / sizes, "d": sizes, "alpha": alpha, "beta": beta})["P"] for f in budgets
    ]
    best = [np.nanmin(np.where(f / sizes >= 1, loss, np.inf)) for f, loss in zip(budgets, losses, strict=True)]
    slope = -np.log(best[1] / best[0]) / np.log(budgets[1] / budgets[0])
    assert slope == pytest.approx(float(phase["eta"]), abs=0.01)
    size = [sizes[np.nanargmin(np.where(f / sizes >= 1, loss, np.inf))] for f, loss in zip(budgets, losses, strict=True)]
    if name != "IVa":  # there the loss is flat in size over a range, so the best size is not sharp
        assert np.log(size[1] / size[0]) / np.log(budgets[1] / budgets[0]) == pytest.approx(float(phase["xi"]), abs=0.02)


def test_where_no_power_law_holds_there_is_no_phase():
    assert str(law_numbers(LawBook(), "paquette2024_phases", "phase", {"alpha": 0.1, "beta": 0.2})["phase"]) == "none"
