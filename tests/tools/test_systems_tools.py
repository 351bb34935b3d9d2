"""The tools wall_clock, memory and model_shape as a question reaches them."""

import pytest

from knowledge.errors import InputError, MissingInput
from tools.registry import call
from tools.systems.mfu import typical_mfu
from tools.systems.predict import predict_training
from tools.systems.tables import calibrate


def test_days_follow_from_a_stated_mfu() -> None:
    result = call("wall_clock", {"params_total": 7e9, "tokens": 2e12, "n_accelerators": 512, "accelerator": "h100-sxm", "mfu": 0.4})
    expected = 6 * 7e9 * 2e12 / (512 * 989.4e12 * 0.4) / 86400
    assert result.values["days"].value == pytest.approx(expected, rel=1e-3)
    assert result.values["days"].low is None
    assert result.values["accelerator_hours"].value == pytest.approx(expected * 24 * 512, rel=1e-3)


def test_a_predicted_mfu_carries_an_interval() -> None:
    result = call("wall_clock", {"params_total": 70e9, "tokens": 15e12, "n_accelerators": 1024, "accelerator": "h100-sxm"})
    mfu = result.values["mfu"]
    assert mfu.low < mfu.value < mfu.high
    assert 0.2 < mfu.value < 0.6
    days = result.values["days"]
    assert days.low < days.value < days.high
    assert days.value == pytest.approx(result.values["compute_flops"].value / (1024 * 989.4e12 * mfu.value) / 86400)
    assert result.tables[0].rows


def test_accelerators_for_a_deadline() -> None:
    asked = {"params_total": 70e9, "tokens": 15e12, "accelerator": "tpu-v5p", "duration_seconds": 5.184e6, "mfu": 0.55}
    result = call("wall_clock", asked)
    devices = result.values["n_accelerators"].value
    assert result.values["calendar_days"].value <= 60.01
    fewer = call("wall_clock", {**asked, "n_accelerators": 0.9 * devices})
    assert fewer.values["calendar_days"].value > 60


def test_a_contradiction_is_reported_with_both_numbers() -> None:
    result = call(
        "wall_clock",
        {"params_total": 70e9, "tokens": 1.4e12, "n_accelerators": 8, "accelerator": "a100-80gb", "duration_seconds": 172800.0},
    )
    conflicts = [notice.text for notice in result.warnings if notice.level == "conflict"]
    assert any("even at full peak" in text and "2 days" in text for text in conflicts)
    assert not result.feasible


def test_a_profile_of_a_slow_cluster_lengthens_the_plan() -> None:
    row = {
        "params_total": "7e9",
        "accelerator": "H100-SXM",
        "framework": "Megatron-Core",
        "precision": "bf16",
        "seq_len": "4096",
        "global_batch_tokens": "4e6",
        "tp": "1",
        "pp": "1",
    }
    rows = [{**row, "n_accelerators": str(n), "micro_batch": micro} for n in (64, 128, 256) for micro in ("1", "2")]
    rows = [{**item, "step_time_s": str(1.4 * predict_training(item).step_seconds)} for item in rows]
    asked = {"params_total": 7e9, "tokens": 1e12, "n_accelerators": 128, "accelerator": "h100-sxm", "batch_tokens": 4e6}
    plain, known = call("wall_clock", asked), call("wall_clock", {**asked, "profile": calibrate(rows, "slow").profile.to_json()})
    assert known.values["days"].value == pytest.approx(1.4 * plain.values["days"].value, rel=0.1)


def test_an_open_question_shows_time_against_cost() -> None:
    result = call("wall_clock", {"params_total": 13e9, "tokens": 1e12, "accelerator": "h100-sxm"})
    rows = next(table.rows for table in result.tables if table.name == "frontier")
    days, hours = [row[3] for row in rows], [row[4] for row in rows]
    assert len(rows) >= 2
    assert days == sorted(days)
    assert hours == sorted(hours, reverse=True)


def test_impossible_training_names_the_nearest_plan() -> None:
    result = call("wall_clock", {"params_total": 70e9, "tokens": 1e12, "n_accelerators": 1, "accelerator": "rtx-4090"})
    assert not result.feasible
    assert result.values["n_accelerators_needed"].value > 1
    assert "nearest_layout" in result.values


def test_more_devices_than_the_batch_feeds_names_fewer() -> None:
    result = call("wall_clock", {"params_total": 7e9, "tokens": 1e12, "n_accelerators": 1e6, "accelerator": "h100-sxm"})
    assert not result.feasible
    assert result.values["n_accelerators_needed"].value < 1e6


def test_a_batch_above_the_critical_one_is_cautioned() -> None:
    result = call(
        "wall_clock", {"params_total": 1e9, "tokens": 2e10, "n_accelerators": 64, "accelerator": "h100-sxm", "batch_tokens": 6.4e7}
    )
    assert any("critical" in notice.text for notice in result.warnings)


def test_a_mixture_by_size_alone_is_cut_over_experts() -> None:
    fields = {"params_total": 671e9, "params_active": 37e9, "tokens": 14.8e12, "accelerator": "h800", "n_accelerators": 2048}
    result = call("wall_clock", fields)
    assert "ep " in str(result.values["layout"].value)
    assert result.values["mfu_tuned"].value > 0.15


def test_13b_on_eight_a100_40gb_fits_with_a_breakdown() -> None:
    result = call("memory", {"params_total": 13e9, "accelerator": "a100-40gb", "n_accelerators": 8})
    assert result.feasible
    assert str(result.values["verdict"].value).startswith("Yes")
    rows = {row[0]: row[1] for row in result.tables[0].rows}
    assert sum(value for name, value in rows.items() if name != "total") == pytest.approx(rows["total"])
    assert rows["total"] <= 40e9


@pytest.mark.parametrize(
    ("fields", "words", "plan"),
    [
        ({"params_total": 70e9, "accelerator": "rtx-4090", "n_accelerators": 1}, "more than fits in 24 GB", "nearest_plan"),
        ({"params_total": 7e9, "accelerator": "h100-sxm", "n_accelerators": 7, "tensor": 8}, "cannot be divided", "nearest_layout"),
        (
            {"params_total": 7e9, "accelerator": "h100-sxm", "n_accelerators": 64, "data": 64, "batch_tokens": 65536.0},
            "data-parallel ranks",
            "nearest_layout",
        ),
    ],
)
def test_impossible_layouts_get_the_reason_and_a_plan(fields: dict[str, object], words: str, plan: str) -> None:
    result = call("memory", fields)
    assert not result.feasible
    assert words in str(result.values["verdict"].value)
    assert plan in result.values


def test_a_leaner_optimizer_is_offered() -> None:
    result = call("memory", {"params_total": 1.5e9, "accelerator": "rtx-4090", "n_accelerators": 1, "sequence_length": 1024.0})
    lean = call(
        "memory",
        {"params_total": 1.5e9, "accelerator": "rtx-4090", "n_accelerators": 1, "sequence_length": 1024.0, "optimizer": "adamw-bf16"},
    )
    assert not result.feasible
    assert lean.feasible
    assert "leaner_optimizer" in result.values


def test_a_known_model_keeps_its_shape() -> None:
    result = call("model_shape", {"model": "llama-3-70b"})
    assert result.values["layers"].value == 80
    assert result.values["params_total"].value == pytest.approx(70.55e9, rel=0.005)


def test_a_size_gets_a_shape_and_neighbours() -> None:
    result = call("model_shape", {"params_total": 7e9})
    assert 28 <= result.values["layers"].value <= 36
    assert result.values["hidden"].value == 4096
    assert len(result.tables[0].rows) == 4


@pytest.mark.parametrize("part", ["h100-sxm", "a100-80gb", "tpu-v5e", "mi300x", "rtx-4090", "l4", "v100", "trainium2"])
def test_typical_mfu_is_sane_on_every_kind_of_part(part: str) -> None:
    share, low, high, source = typical_mfu(part)
    assert 0.05 < low < share < high <= 1.0
    assert share < 0.75
    assert source


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="no accelerator is known"):
        call("wall_clock", {"params_total": 7e9, "tokens": 1e12, "n_accelerators": 8, "accelerator": "h1000"})
    with pytest.raises(InputError):
        call("wall_clock", {"params_total": 1e40, "tokens": 1e12, "n_accelerators": 8})
    with pytest.raises(InputError):
        call("memory", {"params_total": -1.0, "accelerator": "h100-sxm"})
    with pytest.raises(MissingInput):
        call("wall_clock", {"params_total": 7e9})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"optimizer": "sgd", "counted": "optimizer_state"}, 4.0),
        ({"optimizer": "adamw", "counted": "optimizer_state"}, 8.0),
        ({"optimizer": "adamw-8bit", "counted": "optimizer_state"}, 2.0),
        ({"optimizer": "adamw", "counted": "training_states"}, 16.0),
        ({"optimizer": "adamw", "counted": "training_states", "grad_bytes": 4.0}, 18.0),
        ({"optimizer": "adamw-8bit", "counted": "training_states"}, 10.0),
    ],
)
def test_states_alone_are_counted_by_parameter(fields: dict[str, object], expected: float) -> None:
    result = call("memory", {"params_total": 7e9, **fields})
    assert result.values["memory_bytes"].value == pytest.approx(expected * 7e9)
    assert result.values["bytes_per_param"].value == pytest.approx(expected)
    for table in result.tables:
        assert sum(row[1] for row in table.rows[:-1]) == pytest.approx(expected * 7e9)


def test_adafactor_keeps_a_sliver_of_adams_state() -> None:
    state = call("memory", {"params_total": 7e9, "optimizer": "adafactor", "counted": "optimizer_state"}).values["memory_bytes"].number
    assert 0 < state < 0.001 * 8 * 7e9


def test_a_stated_memory_without_a_part_is_one_device_of_that_memory() -> None:
    result = call("memory", {"params_total": 13e9, "memory_bytes": 40 * 2.0**30})
    assert not result.feasible
    assert result.values["n_accelerators"].value == 1
    assert result.values["device_memory_bytes"].value == 40 * 2.0**30
    assert "13B model does not train on 1 device of 42.9 GB" in str(result.values["verdict"].value)


def test_given_hours_set_the_time_and_carry_their_interval() -> None:
    fields = {"params_total": 7e9, "tokens": 1e12, "accelerator": "h100-sxm", "n_accelerators": 128, "accelerator_hours": 38400.0}
    result = call("wall_clock", {**fields, "accelerator_hours_low": 19200.0, "accelerator_hours_high": 76800.0})
    days = result.values["days"]
    assert (days.low, days.value, days.high) == (pytest.approx(6.25), pytest.approx(12.5), pytest.approx(25.0))
    assert result.values["mfu"].value == pytest.approx(6 * 7e21 / (38400 * 3600 * 989.4e12), rel=1e-3)


def test_hours_that_not_even_full_peak_could_use_are_a_conflict() -> None:
    fields = {"params_total": 70e9, "tokens": 2e12, "accelerator": "h100-sxm", "n_accelerators": 1024, "accelerator_hours": 100.0}
    result = call("wall_clock", fields)
    assert [notice.level for notice in result.warnings] == ["conflict"]
    assert result.values["accelerator_hours"].number > 1e5


def test_a_bill_and_a_duration_of_one_run_agree() -> None:
    fields = {"params_total": 7e9, "tokens": 1e12, "accelerator": "a100-80gb", "n_accelerators": 128}
    time, bill = call("wall_clock", fields).values, call("cost", fields).values
    for key in ("accelerator_hours", "days"):
        assert bill[key].value == pytest.approx(time[key].value)
        assert bill[key].low == pytest.approx(time[key].low)
        assert bill[key].high == pytest.approx(time[key].high)
