"""The bill: hours x price, the user's own price first, intervals joined, budgets judged, carbon only at a stated factor."""

import pytest

from knowledge.errors import InputError, MissingInput
from tools.registry import call


def test_stated_price_and_mfu_give_an_exact_bill() -> None:
    result = call(
        "cost", {"params_total": 7e9, "tokens": 1e12, "accelerator": "a100-80gb", "price_per_accelerator_hour_usd": 1.8, "mfu": 0.45}
    )
    hours = 6 * 7e9 * 1e12 / (312e12 * 0.45 * 3600)
    assert result.values["accelerator_hours"].number == pytest.approx(hours)
    assert result.values["cost_usd"].number == pytest.approx(hours * 1.8)
    assert result.values["cost_usd"].low is None


def test_a_price_range_is_an_interval_and_its_source_is_told() -> None:
    result = call("cost", {"params_total": 7e9, "tokens": 1e12, "accelerator": "h100-sxm"})
    bill = result.values["cost_usd"]
    assert bill.low is not None
    assert bill.low < bill.number < bill.high
    price = result.values["price_per_accelerator_hour_usd"]
    assert "median of 37 providers in May 2026" in price.source
    assert price.low < price.number < price.high
    unsourced = call("cost", {"params_total": 7e9, "tokens": 1e12, "accelerator": "mi300x"})
    assert "unsourced estimate" in unsourced.values["price_per_accelerator_hour_usd"].source


def test_hours_stated_are_multiplied() -> None:
    result = call("cost", {"accelerator_hours": 80_000, "accelerator": "a100-40gb", "price_per_accelerator_hour_usd": 1.2})
    assert result.values["cost_usd"].number == pytest.approx(96_000)


def test_deepseek_v3_within_the_interval() -> None:
    """The report's own bill: 2.788e6 H800 hours at $2, $5.576e6 (DeepSeek-V3 report, table 1), trained in FP8."""
    result = call("cost", {"model": "deepseek-v3", "accelerator": "h800", "price_per_accelerator_hour_usd": 2.0, "dtype": "fp8"})
    bill = result.values["cost_usd"]
    assert bill.low < 5.576e6 < bill.high


@pytest.mark.parametrize(("budget", "word", "feasible"), [(1e7, "Yes", True), (1.5e5, "Probably not", True), (2e4, "No", False)])
def test_budgets_are_judged(budget: float, word: str, feasible: bool) -> None:
    result = call("cost", {"budget_usd": budget, "params_total": 13e9, "tokens": 1e12, "accelerator": "h100-sxm"})
    assert str(result.values["verdict"].value).startswith(word)
    assert result.feasible is feasible


def test_serving_joins_the_bill() -> None:
    fields = {"params_total": 8e9, "tokens": 8e12, "accelerator": "h100-sxm", "price_per_accelerator_hour_usd": 2.0}
    alone, both = call("cost", fields), call("cost", fields | {"inference_tokens": 5e12})
    served = both.values["inference_cost_usd"].number
    assert served > 0
    assert both.values["total_cost_usd"].number == pytest.approx(alone.values["cost_usd"].number + served)
    assert call("cost", fields | {"inference_tokens": 1e13}).values["inference_cost_usd"].number == pytest.approx(2 * served)


def test_carbon_only_at_a_stated_factor() -> None:
    fields = {"accelerator_hours": 1000, "accelerator": "a100-80gb", "price_per_accelerator_hour_usd": 2.0}
    assert "co2_kg" not in call("cost", fields).values
    result = call("cost", fields | {"grid_grams_per_kwh": 400, "pue": 1.1})
    assert result.values["energy_kwh"].number == pytest.approx(1000 * 0.4 * 0.8 * 1.1)
    assert result.values["co2_kg"].number == pytest.approx(result.values["energy_kwh"].number * 0.4)
    assert result.values["energy_kwh"].low < result.values["energy_kwh"].number < result.values["energy_kwh"].high


def test_a_known_model_brings_its_tokens() -> None:
    result = call("cost", {"model": "llama-3-8b", "accelerator": "h100-sxm", "price_per_accelerator_hour_usd": 2.0, "mfu": 0.4})
    assert result.values["compute_flops"].number == pytest.approx(6 * 8.03e9 * 15e12, rel=0.01)
    assert any(item.field == "tokens" for item in result.assumptions)


def test_no_accelerator_named_compares_several() -> None:
    result = call("cost", {"compute_flops": 1e24})
    prices = [row[4] for row in result.tables[0].rows]
    assert len(prices) >= 5
    assert prices == sorted(prices)


@pytest.mark.parametrize("fields", [{}, {"budget_usd": 100.0}])
def test_asks_for_what_it_needs(fields: dict[str, float]) -> None:
    with pytest.raises(MissingInput):
        call("cost", fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"compute_flops": -1.0},
        {"compute_flops": 1e22, "accelerator": "h9000"},
        {"compute_flops": 1e22, "mfu": 1.5},
        {"compute_flops": 1e22, "accelerator": "tpu-v7"},
    ],
)
def test_bad_requests_are_refused(fields: dict[str, float | str]) -> None:
    with pytest.raises(InputError):
        call("cost", fields)


def test_without_a_part_the_cheapest_of_those_compared_is_named():
    values = call("cost", {"params_total": 7e9, "tokens": 1e12}).values
    assert values["cheapest_cost_usd"].number <= values["cost_usd"].number
