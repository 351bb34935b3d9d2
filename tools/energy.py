"""Electricity and carbon of training, as values of a result: an estimate from TDP, and carbon only at a stated grid factor."""

from __future__ import annotations

from knowledge.hardware import Accelerator
from tools.result import Value
from tools.systems.power import TRAINING_SHARE, TRAINING_SOURCE, co2_kg, training_kwh


def training_energy(part: Accelerator, hours: Value, grid_grams_per_kwh: float | None, pue: float | None) -> dict[str, Value]:
    """kWh of accelerator-hours (times PUE where stated) and, where the grid's grams of CO2e per kWh are stated, the emissions.

    The interval joins the load share's range and the hours'.
    """
    times = pue or 1.0
    middle, _, _ = training_kwh(part, hours.number, times)
    _, low, _ = training_kwh(part, hours.low or hours.number, times)
    _, _, high = training_kwh(part, hours.high or hours.number, times)
    inputs = {"tdp_watts": part.tdp_watts, "accelerator_hours": hours.number, "load_share": TRAINING_SHARE[1], "pue": times}
    label = "electricity of the accelerators" + (f", PUE {pue:g} included" if pue else " alone")
    found = {
        "energy_kwh": Value(
            value=middle,
            unit="kWh",
            label=label,
            low=low,
            high=high,
            level=0.9,
            interval_basis="range of load shares and of hours",
            formula="TDP x load share x hours x PUE",
            inputs=inputs,
            source=TRAINING_SOURCE,
        )
    }
    if grid_grams_per_kwh is not None:
        found["co2_kg"] = Value(
            value=co2_kg(middle, grid_grams_per_kwh),
            unit="kg",
            label="CO2 equivalent at the stated grid factor",
            low=co2_kg(low, grid_grams_per_kwh),
            high=co2_kg(high, grid_grams_per_kwh),
            level=0.9,
            interval_basis="range of load shares and of hours",
            formula="kWh x g/kWh",
            inputs={"energy_kwh": middle, "grid_grams_per_kwh": grid_grams_per_kwh},
            source="grid factor of the question",
        )
    return found
