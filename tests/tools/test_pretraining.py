"""Loss prediction: the default law at published points, and what the answer says about comparability."""

import pytest

from knowledge import InputError
from tools.registry import call


def test_besiroglu_at_chinchillas_own_point():
    loss = call("predict_loss", {"params_total": 70e9, "tokens": 1.4e12}).values["loss"]
    assert loss.value == pytest.approx(1.97388, rel=5e-4)
    assert loss.law == "besiroglu2024"


def test_hoffmann_by_name():
    loss = call("predict_loss", {"params_total": 70e9, "tokens": 1.4e12, "law": "hoffmann2022"}).values["loss"]
    assert loss.value == pytest.approx(1.9208, rel=5e-4)


def test_repetition_costs_loss():
    once = call("predict_loss", {"params_total": 1e9, "tokens": 1e11}).values["loss"].value
    ten = call("predict_loss", {"params_total": 1e9, "tokens": 1e11, "unique_tokens": 1e10}).values["loss"].value
    assert ten > once


def test_outside_the_fit_region_is_said():
    result = call("predict_loss", {"params_total": 7e9, "tokens": 2e12})
    assert result.values["loss"].outside
    assert any("Extrapolated" in notice.text for notice in result.warnings)


def test_other_laws_stand_beside_it_with_their_corpus():
    others = {item.name: item for item in call("predict_loss", {"params_total": 1e9, "tokens": 2e10}).alternatives}
    assert "hoffmann2022" in others
    assert "MassiveText" in others["hoffmann2022"].note


def test_a_law_without_a_loss_surface_is_refused():
    with pytest.raises(InputError, match="gives no loss"):
        call("predict_loss", {"params_total": 1e9, "tokens": 2e10, "law": "li2025_steplaw"})
